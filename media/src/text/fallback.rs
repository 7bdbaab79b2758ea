//! Chooses fallback fonts for letters that a font lacks.

use cosmic_text::{Fallback, PlatformFallback};
use unicode_script::Script;

/// The families tried in turn, after those of the letters' script.
///
/// Colour emoji come before every font with outline emoji: DejaVu and the symbol fonts have some,
/// and a row of smileys must not change its style midway.
const FAMILIES: &[&str] = &[
    "Open Sans",
    "Noto Sans",
    "Noto Color Emoji",
    "Noto Sans Symbols",
    "Noto Sans Symbols2",
    "Noto Sans Math",
    "DejaVu Sans",
    "Noto Sans Mono",
    "WenQuanYi Micro Hei",
];

/// Noto's fonts for Chinese, Japanese and Korean if they are installed, then the small one of the
/// engine's set.
const HAN: &[&str] = &["Noto Sans CJK SC", "WenQuanYi Micro Hei"];
const KANA: &[&str] = &["Noto Sans CJK JP", "WenQuanYi Micro Hei"];
const HANGUL: &[&str] = &["Noto Sans CJK KR", "WenQuanYi Micro Hei"];

/// The engine's order of fonts, which is the same on all machines with the same fonts.
pub(crate) struct FallbackOrder;

impl Fallback for FallbackOrder {
    fn common_fallback(&self) -> &[&'static str] {
        FAMILIES
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, script: Script, locale: &str) -> &[&'static str] {
        match script {
            Script::Han | Script::Bopomofo => return HAN,
            Script::Hiragana | Script::Katakana => return KANA,
            Script::Hangul => return HANGUL,
            _ => {}
        }
        // A list by script that the text shaper maintains; it names Noto's families.
        PlatformFallback.script_fallback(script, locale)
    }
}
