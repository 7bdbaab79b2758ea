//! Finds the orientation that cameras write into PNG, WebP and TIFF files. In JPEG, libav finds it
//! itself.

use super::rotation::Orientation;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// The most chunks that are read: pictures have a handful.
const MAX_CHUNKS: usize = 4_096;
/// Bytes of Exif that are read: enough of the first directory to hold the orientation.
const MAX_BYTES: u64 = 64 << 10;
/// The tag of the orientation (Exif 3.0, §4.6.5).
const ORIENTATION_TAG: u16 = 0x0112;

/// Returns the orientation in a PNG's or a WebP's Exif block or in a TIFF's own directory; none if
/// there is none or it can't be read.
pub(crate) fn exif_orientation(path: &Path) -> Option<Orientation> {
    let mut file = File::open(path).ok()?;
    let mut head = [0; 12];
    file.read_exact(&mut head).ok()?;
    let block = if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        find_chunk(
            &mut file,
            8,
            |head| {
                (u32::from_be_bytes([head[0], head[1], head[2], head[3]]), &head[4..] == b"eXIf")
            },
            4,
        )?
    } else if head.starts_with(b"RIFF") && &head[8..] == b"WEBP" {
        find_chunk(
            &mut file,
            12,
            |head| {
                (u32::from_le_bytes([head[4], head[5], head[6], head[7]]), &head[..4] == b"EXIF")
            },
            0,
        )?
    } else if is_tiff(&head) {
        return orientation_in(&mut BufReader::new(file));
    } else {
        return None;
    };
    orientation_in(&mut Cursor::new(block.strip_prefix(b"Exif\0\0").unwrap_or(&block)))
}

/// Returns whether a file begins as TIFF does.
pub(crate) fn is_tiff(head: &[u8]) -> bool {
    head.starts_with(b"II*\0") || head.starts_with(b"MM\0*")
}

/// Finds a chunk, searching from `at` on: `head` reads a chunk's length and whether it is the one,
/// and `tail` bytes follow each.
fn find_chunk(
    file: &mut File,
    mut at: u64,
    head: impl Fn(&[u8; 8]) -> (u32, bool),
    tail: u64,
) -> Option<Vec<u8>> {
    for _ in 0..MAX_CHUNKS {
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        let (length, is_wanted) = head(&bytes);
        if is_wanted {
            let mut block = Vec::new();
            file.take(u64::from(length).min(MAX_BYTES)).read_to_end(&mut block).ok()?;
            return Some(block);
        }
        // RIFF's chunks begin at even bytes; PNG's follow each other directly.
        let padding = if tail == 0 { u64::from(length & 1) } else { 0 };
        at = at.checked_add(8 + u64::from(length) + tail + padding)?;
    }
    None
}

/// Reads the orientation in a TIFF file or block: a byte order, then a first directory with entries
/// of 12 bytes.
fn orientation_in(tiff: &mut (impl Read + Seek)) -> Option<Orientation> {
    let mut read = |at: u64, length: usize| -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        tiff.seek(SeekFrom::Start(at)).ok()?;
        tiff.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let head = read(0, 8)?;
    let little = head.starts_with(b"II");
    let number = |bytes: &[u8]| -> u32 {
        let place = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
        if little { bytes.iter().rev().fold(0, place) } else { bytes.iter().fold(0, place) }
    };
    (number(&head[2..4]) == 42).then_some(())?;
    let directory = u64::from(number(&head[4..8]));
    let entries = number(&read(directory, 2)?);
    let entry = (0..u64::from(entries))
        .map_while(|entry| read(directory + 2 + entry * 12, 12))
        .find(|entry| number(&entry[..2]) == u32::from(ORIENTATION_TAG))?;
    let (degrees, mirrored) = match number(&entry[8..10]) {
        1 => (0, false),
        2 => (0, true),
        3 => (180, false),
        4 => (180, true),
        5 => (90, true),
        6 => (90, false),
        7 => (270, true),
        8 => (270, false),
        _ => return None,
    };
    Some(Orientation { degrees, mirrored })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orientation_is_found_in_either_byte_order_and_invalid_blocks_have_none() {
        let found = |block: &[u8]| orientation_in(&mut Cursor::new(block));
        let turned = Some(Orientation { degrees: 90, mirrored: false });
        assert_eq!(found(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"), turned);
        assert_eq!(found(b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"), turned);
        for invalid in [
            &b""[..],
            b"II*\0",
            b"II*\0\xff\xff\xff\xff",
            b"MM\0*\0\0\0\x08\xff\xff",
            b"II*\0\x08\0\0\0\x01\0\x12\x01",
        ] {
            assert_eq!(found(invalid), None);
        }
    }
}
