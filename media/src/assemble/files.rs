//! The paths that an assembly reads and writes.

use std::path::{Path, PathBuf};

/// The input and output files of an assembly.
#[derive(Debug, Clone, Copy)]
pub struct AssembleFiles<'a> {
    /// The segments, in order.
    pub segments: &'a [PathBuf],
    /// The sound, if the plan has sound.
    pub sound: Option<&'a Path>,
    pub out: &'a Path,
    /// The poster to write, a JPEG, if the plan asks for one.
    pub poster: Option<&'a Path>,
    /// The thumbnail to write, a JPEG, if the plan asks for one.
    pub thumbnail: Option<&'a Path>,
}
