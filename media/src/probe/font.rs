//! Reads the faces of font files: OpenType, TrueType, and collections of them.

use crate::{MediaError, Result};
use composition::plan::FontFace;
use std::path::Path;
use ttf_parser::{Face, RawFace, name_id};

/// The largest file that is read as a font. The largest Noto collection has 120 MB.
const MAX_BYTES: u64 = 256 << 20;
/// The most faces that are listed of a collection.
const MAX_FACES: u32 = 64;

/// The tables that layout and drawing need. A file that lacks only others is usable.
const NEEDED_TABLES: [&[u8; 4]; 14] = [
    b"cmap", b"head", b"hhea", b"hmtx", b"maxp", b"name", b"glyf", b"loca", b"CFF ", b"CFF2",
    b"CBDT", b"CBLC", b"COLR", b"sbix",
];

/// Returns whether a file begins as fonts do.
pub(super) fn is_font(head: &[u8]) -> bool {
    const TAGS: [&[u8]; 5] = [b"\x00\x01\x00\x00", b"OTTO", b"true", b"ttcf", b"typ1"];
    TAGS.iter().any(|tag| head.starts_with(tag))
}

/// Returns the faces of a font file.
///
/// # Errors
/// Bad input if none can be read, or if the file ends before the tables that writing needs. A
/// truncated file has a valid header, and would otherwise fail only in the segments that use it.
pub(super) fn faces(path: &Path) -> Result<Vec<FontFace>> {
    let failed = |error: std::io::Error| {
        MediaError::from_io(format_args!("reading {}", path.display()), &error)
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(MediaError::BadInput(format!(
            "the font {} is larger than {MAX_BYTES} bytes",
            path.display()
        )));
    }
    let data = std::fs::read(path).map_err(failed)?;
    let count = ttf_parser::fonts_in_collection(&data).unwrap_or(1).min(MAX_FACES);
    if (0..count).any(|index| is_cut_short(&data, index)) {
        let path = path.display();
        return Err(MediaError::BadInput(format!(
            "the font {path} is cut short: its tables reach beyond its end"
        )));
    }
    let faces: Vec<FontFace> = (0..count)
        .filter_map(|index| Face::parse(&data, index).ok())
        .map(|face| describe(&face))
        .collect();
    if faces.is_empty() {
        return Err(MediaError::BadInput(format!("the font {} is damaged", path.display())));
    }
    Ok(faces)
}

fn is_cut_short(data: &[u8], index: u32) -> bool {
    let Ok(raw) = RawFace::parse(data, index) else { return false };
    let needed = raw
        .table_records
        .into_iter()
        .filter(|table| NEEDED_TABLES.contains(&&table.tag.to_bytes()));
    needed
        .into_iter()
        .any(|table| u64::from(table.offset) + u64::from(table.length) > data.len() as u64)
}

fn describe(face: &Face<'_>) -> FontFace {
    let family = name(face, name_id::TYPOGRAPHIC_FAMILY)
        .or_else(|| name(face, name_id::FAMILY))
        .unwrap_or_default();
    FontFace {
        full_name: name(face, name_id::FULL_NAME).unwrap_or_else(|| family.clone()),
        family,
        weight: face.weight().to_number(),
        weights: weights(face),
        italic: face.is_italic() || face.is_oblique(),
    }
}

/// Returns the range of a variable font's weight axis.
fn weights(face: &Face<'_>) -> Option<(u16, u16)> {
    let weight = ttf_parser::Tag::from_bytes(b"wght");
    let axis = face.variation_axes().into_iter().find(|axis| axis.tag == weight)?;
    Some((axis.min_value as u16, axis.max_value as u16))
}

/// Returns a name in English if the font has it, otherwise the first in any language.
fn name(face: &Face<'_>, id: u16) -> Option<String> {
    let names = || face.names().into_iter().filter(|name| name.name_id == id);
    let english = names().find(|name| name.language().primary_language() == "English");
    english.into_iter().chain(names()).find_map(|name| name.to_string())
}
