//! The resource limits of one run.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The resources that one run may use before it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Bytes of memory that it may write to (`RLIMIT_DATA`).
    pub memory: u64,
    /// Bytes in any file that it writes (`RLIMIT_FSIZE`).
    pub file_size: u64,
    /// Files that it may hold open at once (`RLIMIT_NOFILE`).
    pub handles: u64,
    /// Wall time from start to end. Processor time is limited to the same time per core.
    pub deadline: Duration,
    /// Wall time without progress.
    pub stall: Duration,
}
