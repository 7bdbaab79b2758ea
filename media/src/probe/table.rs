//! Recognises colour tables: `.cube` files, which are text with a line that states their size.

use crate::Result;
use crate::picture::cube::Cube;
use std::path::Path;

/// Returns whether a file begins as colour tables do: with the line of its size, or with a comment
/// so long that the line has not appeared yet.
pub(super) fn is_table(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let is_sized = lines
        .clone()
        .any(|line| line.starts_with(b"LUT_3D_SIZE") || line.starts_with(b"LUT_1D_SIZE"));
    is_sized
        || (head.len() as u64 == super::HEAD
            && lines.all(|line| line.is_empty() || line.starts_with(b"#")))
}

/// Reads the whole table, so that a broken one is reported before anything is drawn with it.
///
/// # Errors
/// Bad input if a line is wrong, naming it.
pub(super) fn check(path: &Path) -> Result<()> {
    Cube::read(path).map(|_| ())
}
