//! Which fonts stand in for letters that the asked one lacks.

use cosmic_text::{Fallback, PlatformFallback};
use unicode_script::Script;

/// The families asked in turn, after those that the letters' script suggests.
///
/// The colour emoji come before every font with emoji in outline: DejaVu and the symbol fonts have some, and a row of smileys
/// must not change its style midway.
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

/// Noto's fonts for Chinese, Japanese and Korean where somebody installed them, else the small one that comes with the engine's set.
const HAN: &[&str] = &["Noto Sans CJK SC", "WenQuanYi Micro Hei"];
const KANA: &[&str] = &["Noto Sans CJK JP", "WenQuanYi Micro Hei"];
const HANGUL: &[&str] = &["Noto Sans CJK KR", "WenQuanYi Micro Hei"];

/// The engine's order of fonts: the same on every machine that has the same fonts.
pub(crate) struct Order;

impl Fallback for Order {
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
        // A list by script that is kept by those who shape text; it names Noto's families.
        PlatformFallback.script_fallback(script, locale)
    }
}
