//! The size of a file that the engine has written.

use crate::{MediaError, Result};
use std::path::Path;

/// Returns a file's size in bytes.
///
/// # Errors
/// Errors from reading its metadata.
pub(crate) fn file_size(path: &Path) -> Result<u64> {
    std::fs::metadata(path)
        .map(|metadata| metadata.len())
        .map_err(|error| MediaError::from_io(format_args!("reading {}", path.display()), &error))
}
