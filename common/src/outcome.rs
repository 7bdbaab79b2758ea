//! The result of an attempt (outcome), and what is written because of it (verdict).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::JobError,
    id::{Digest, Fence, TaskId},
    plan::NewTask,
};

/// A reference to a file that a task made. In the task's output it keeps the artifact from being
/// removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactRef {
    pub hash: Digest,
    /// The size in bytes.
    pub bytes: u64,
    /// Such as `video/mp4`.
    pub media_type: String,
}

/// The results that a kind's handler may return.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done {
        /// The task's output: JSON of at most `limits::MAX_OUTPUT_BYTES`.
        output: Value,
        /// The files that the task made, already stored.
        artifacts: Vec<ArtifactRef>,
    },
    Failed(JobError),
    /// The handler stopped because the task was cancelled.
    Cancelled,
}

/// The change that settling an attempt writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Succeeded {
        output: Value,
        /// The output's [`crate::key::output_hash`].
        hash: Digest,
        /// The files that the output refers to.
        artifacts: Vec<ArtifactRef>,
        /// The tasks added to the job's plan.
        grown: Vec<NewTask>,
        /// Set if the output may settle equal tasks, provided that the kind allows it. If not, each
        /// waiter runs by itself.
        memo: bool,
    },
    Failed(JobError),
    Cancelled,
    /// Not settled: the task is ready again after `pause`, with one attempt less.
    Retry {
        /// The error of this attempt.
        error: JobError,
        /// The pause from now, by the store's clock.
        pause: Duration,
    },
}

/// A verdict with the right to write it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub task: TaskId,
    /// The fence of the claim; a stale one changes nothing.
    pub fence: Fence,
    pub verdict: Verdict,
}
