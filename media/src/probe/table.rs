//! Colour tables: `.cube` files, which are text and known by the line that tells their size.

use crate::Result;
use crate::picture::cube::Cube;
use std::path::Path;

/// Whether a file begins as colour tables do.
pub(super) fn is_table(head: &[u8]) -> bool {
    let sized = |line: &[u8]| {
        line.trim_ascii_start().starts_with(b"LUT_3D_SIZE") || line.trim_ascii_start().starts_with(b"LUT_1D_SIZE")
    };
    head.split(|byte| *byte == b'\n').any(sized)
}

/// Reads all of it, so that a broken one is told of before anything is drawn with it.
///
/// # Errors
/// Bad input where a line is wrong, naming it.
pub(super) fn check(path: &Path) -> Result<()> {
    Cube::read(path).map(|_| ())
}
