//! Dead work, as an operator sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::task::Task;

/// A page of dead work.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadPage {
    /// Tasks that failed for good, those of the newest jobs first.
    pub tasks: Vec<Task>,
    /// The `cursor` of the next page; null at the end. A page may be short, or empty, and have a
    /// next one.
    pub next_cursor: Option<String>,
    /// Messages that the broker keeps because they were unreadable or delivered too often; null if
    /// it is away.
    pub dead_letters: Option<u64>,
}

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Jobs that run again.
    pub replayed: u32,
    /// `cursor` of the next call with the same filter, since one call retries a bounded number.
    /// Null: all that match are retried.
    pub next_cursor: Option<String>,
}
