//! Entry points to the engine's own parsers, for the targets in `fuzz/`. Each takes any input and
//! checks what its parser promises.

use crate::encode::annexb;
use crate::picture::cube::Cube;
use crate::protocol::{JobRequest, Reply};
use crate::text::block::TextContext;
use crate::text::fonts::{FontBook, FontFolders};
use crate::text::glyphs::{GlyphPainter, StyleOverride};
use composition::plan::{
    Align, Fitting, Micro, Rgba, Text, TextRun, TextStyle, VerticalAlign, VideoCodec,
};
use std::collections::BTreeSet;

/// Parses a colour table.
pub fn cube(text: &str) {
    let _ = Cube::parse(text);
}

/// Parses a line of the media process's protocol.
pub fn protocol(line: &[u8]) {
    if let Ok(reply) = serde_json::from_slice::<Reply>(line) {
        assert_round_trip(&reply);
    }
    if let Ok(request) = serde_json::from_slice::<JobRequest>(line) {
        assert_round_trip(&request);
    }
}

fn assert_round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) {
    let written = serde_json::to_vec(value).unwrap_or_default();
    let again: Option<T> = serde_json::from_slice(&written).ok();
    assert!(
        again.is_some_and(|again| serde_json::to_vec(&again).unwrap_or_default() == written),
        "it is read back with a difference"
    );
}

/// Reads the boxes of an AVIF picture.
pub fn avif(file: &[u8]) {
    crate::decode::still::avif::read_boxes(file);
}

/// Splits a stream of NAL units.
pub fn annexb(stream: &[u8]) {
    for codec in [VideoCodec::H264, VideoCodec::H265] {
        assert!(
            annexb::units(codec, stream).iter().map(|(_, unit)| unit.len()).sum::<usize>()
                <= stream.len()
        );
        assert!(!annexb::has_sei(codec, &annexb::without_sei(codec, stream)));
    }
}

/// Lays out and draws text in a box.
pub fn text(text: &str) {
    let Ok(book) = FontBook::new(&[], FontFolders(Vec::new())) else { return };
    let mut context = TextContext { book, painter: GlyphPainter::new(), warnings: BTreeSet::new() };
    let text = styled(text.chars().take(200).collect());
    let layout = context.lay_out(&text, 200.0, 100.0, 1.0);
    context
        .painter
        .draw(&text, &layout, &mut context.book, 1.0, &|_| Some(StyleOverride::default()));
}

fn styled(text: String) -> Text {
    let style = TextStyle {
        family: "Open Sans".to_owned(),
        size: Micro::whole(20),
        weight: 400,
        italic: false,
        colour: Rgba::WHITE,
        gradient: None,
        letter_spacing: Micro::ZERO,
        word_spacing: Micro::ZERO,
        underline: true,
        strike: false,
        stroke: None,
        shadow: None,
    };
    Text {
        runs: vec![TextRun { text, style }],
        align: Align::Justify,
        vertical: VerticalAlign::Middle,
        line_height: Micro::ONE,
        padding: [Micro::ZERO; 4],
        background: None,
        fitting: Fitting::Shrink { least: Micro::whole(4) },
        most_lines: None,
        animation: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Typical and hostile seeds. The fuzz targets themselves need a nightly compiler.
    #[test]
    fn typical_and_hostile_seeds_break_no_parser() {
        let texts = [
            "",
            "\0",
            "LUT_3D_SIZE",
            "LUT_3D_SIZE 2\n0 0",
            "DOMAIN_MIN",
            "{\"done\":",
            "\u{202e}abc\u{200d}👩‍🚀",
            "ﷺ\n\n\t",
            "é́́́́",
        ];
        for text in texts {
            cube(text);
            protocol(text.as_bytes());
            super::text(text);
        }
        for stream in [
            &b""[..],
            b"\0\0\x01",
            b"\0\0\0\x01\x06\0\0\x01\x65",
            b"\0\0\x01\x06\0\0\x01\x06\0\0\0\0\x01\x40",
        ] {
            annexb(stream);
        }
        protocol(br#"{"progress":{"done":1,"total":2}}"#);
    }
}
