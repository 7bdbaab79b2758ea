//! Dead work as an operator sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::task::Task;

/// A page of dead work.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadPage {
    /// Tasks that failed for good, those of the newest jobs first.
    pub tasks: Vec<Task>,
    /// The `cursor` of the next page; null at the end. A page may be short, or empty, and have a next one.
    pub next_cursor: Option<String>,
    /// Messages that the broker keeps because they could not be read or were delivered too often; null if it is away.
    pub dead_letters: Option<u64>,
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// Jobs that run again.
    pub replayed: u32,
    /// Where to go on, as `cursor` of the next call with the same filter: one call does a bounded number. Null: all that match are done.
    pub next_cursor: Option<String>,
}
