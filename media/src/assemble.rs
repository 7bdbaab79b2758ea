//! Joins segments and sound into one file by stream copy.

use serde::{Deserialize, Serialize};

/// What came of joining.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssembleOutput {
    /// Frames in the file.
    pub frames: u64,
    /// The file's size in bytes.
    pub bytes: u64,
    /// Its length in milliseconds.
    pub duration_ms: u64,
    /// The poster's size in bytes, where one was asked for.
    pub poster_bytes: Option<u64>,
    /// The thumbnail's size in bytes, where one was asked for.
    pub thumbnail_bytes: Option<u64>,
}
