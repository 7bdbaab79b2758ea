//! Colours as CSS writes them.

use super::{Definitions, DocumentReader, Form, brief};
use crate::plan::Rgba;
use serde_json::{Value, json};

impl Form for Rgba {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str().and_then(parse_colour) {
            Some(colour) => Some(colour),
            None => reader.fault(format!(
                "is {}: give a colour such as `#ff8800`, `#f80`, `#ff880080` (with alpha), \
                 `rgba(255, 136, 0, 0.5)`, `white` or `transparent`",
                brief(value)
            )),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "string" })
    }
}

/// CSS basic colours (CSS Color Module Level 4, §6.1, the sixteen of HTML 4) and a few that are
/// common.
const NAMED: [(&str, [u8; 4]); 24] = [
    ("transparent", [0, 0, 0, 0]),
    ("black", [0, 0, 0, 255]),
    ("silver", [192, 192, 192, 255]),
    ("gray", [128, 128, 128, 255]),
    ("grey", [128, 128, 128, 255]),
    ("white", [255, 255, 255, 255]),
    ("maroon", [128, 0, 0, 255]),
    ("red", [255, 0, 0, 255]),
    ("purple", [128, 0, 128, 255]),
    ("fuchsia", [255, 0, 255, 255]),
    ("magenta", [255, 0, 255, 255]),
    ("green", [0, 128, 0, 255]),
    ("lime", [0, 255, 0, 255]),
    ("olive", [128, 128, 0, 255]),
    ("yellow", [255, 255, 0, 255]),
    ("navy", [0, 0, 128, 255]),
    ("blue", [0, 0, 255, 255]),
    ("teal", [0, 128, 128, 255]),
    ("aqua", [0, 255, 255, 255]),
    ("cyan", [0, 255, 255, 255]),
    ("orange", [255, 165, 0, 255]),
    ("pink", [255, 192, 203, 255]),
    ("brown", [165, 42, 42, 255]),
    ("gold", [255, 215, 0, 255]),
];

fn parse_colour(text: &str) -> Option<Rgba> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(digits) = text.strip_prefix('#') {
        return parse_hex(digits);
    }
    if let Some(inner) = text.strip_prefix("rgba(").or_else(|| text.strip_prefix("rgb(")) {
        return parse_function(inner.strip_suffix(')')?);
    }
    NAMED.iter().find(|(name, _)| *name == text).map(|(_, colour)| Rgba(*colour))
}

fn parse_hex(digits: &str) -> Option<Rgba> {
    let nibbles: Vec<u8> =
        digits.chars().map(|c| c.to_digit(16).map(|n| n as u8)).collect::<Option<_>>()?;
    match *nibbles.as_slice() {
        [r, g, b] => Some(Rgba([r * 17, g * 17, b * 17, 255])),
        [r, g, b, a] => Some(Rgba([r * 17, g * 17, b * 17, a * 17])),
        [r, s, g, h, b, c] => Some(Rgba([r * 16 + s, g * 16 + h, b * 16 + c, 255])),
        [r, s, g, h, b, c, a, d] => Some(Rgba([r * 16 + s, g * 16 + h, b * 16 + c, a * 16 + d])),
        _ => None,
    }
}

/// `255, 136, 0` or `255, 136, 0, 0.5`.
fn parse_function(inner: &str) -> Option<Rgba> {
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let [r, g, b, rest @ ..] = parts.as_slice() else { return None };
    let alpha = match rest {
        [] => 1.0,
        [alpha] => alpha.parse::<f64>().ok().filter(|alpha| (0.0..=1.0).contains(alpha))?,
        _ => return None,
    };
    Some(Rgba([r.parse().ok()?, g.parse().ok()?, b.parse().ok()?, (alpha * 255.0).round() as u8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_as_css_writes_them() {
        let cases = [
            ("#f80", Some([255, 136, 0, 255])),
            ("#F808", Some([255, 136, 0, 136])),
            ("#ff8800", Some([255, 136, 0, 255])),
            ("#ff880040", Some([255, 136, 0, 64])),
            ("rgba(255, 136, 0, 0.5)", Some([255, 136, 0, 128])),
            ("rgb(1,2,3)", Some([1, 2, 3, 255])),
            (" White ", Some([255, 255, 255, 255])),
            ("#ff88", Some([255, 255, 136, 136])),
            ("#ff880", None),
            ("#é0", None),
            ("rgb(256,0,0)", None),
            ("blurple", None),
        ];
        for (text, want) in cases {
            assert_eq!(parse_colour(text), want.map(Rgba), "{text}");
        }
    }
}
