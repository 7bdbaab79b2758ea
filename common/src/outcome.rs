//! How an attempt ended, and what that means for the task: pure, so that the rule can be read and tried.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::JobError,
    id::{Digest, Fence, TaskId},
    plan::NewTask,
};

/// A file that a task made, as it stands in its output and pins the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactRef {
    /// The hash of its content.
    pub hash: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// Such as `video/mp4`.
    pub media_type: String,
}

/// The closed set of answers a run may give.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It made this.
    Done {
        /// What the task answers; JSON of at most `limits::MAX_OUTPUT_BYTES`.
        output: Value,
        /// The files it made, already stored.
        artifacts: Vec<ArtifactRef>,
    },
    /// It could not.
    Failed(JobError),
    /// It stopped because someone cancelled it.
    Cancelled,
}

/// What a settle writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Settled with an output.
    Succeeded {
        /// The output.
        output: Value,
        /// [`crate::key::output_hash`] of it.
        hash: Digest,
        /// The files it pins.
        artifacts: Vec<ArtifactRef>,
        /// The tasks it adds to the job's plan.
        grown: Vec<NewTask>,
        /// Set if equal tasks may be settled by it, where the kind allows it at all. Where not, who
        /// waits for it runs by itself.
        memo: bool,
    },
    /// Settled with an error.
    Failed(JobError),
    /// Settled by a cancel.
    Cancelled,
    /// Not settled: ready again after `pause`, one attempt poorer.
    Retry {
        /// Why this attempt failed.
        error: JobError,
        /// From now, by the store's clock.
        pause: Duration,
    },
}

/// A verdict with the right to give it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Which task.
    pub task: TaskId,
    /// The fence of the claim; a stale one changes nothing.
    pub fence: Fence,
    /// What to write.
    pub verdict: Verdict,
}
