//! How an attempt ended, and what that means for the task: pure, so that the rule can be read and tried.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::JobError,
    id::{Digest, Fence, TaskId},
    plan::NewTask,
    retry::RetryPolicy,
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
    /// It stopped because the worker is leaving: another will start afresh.
    Released,
    /// Its lease is gone: whatever it made is not ours to report.
    Abandoned,
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
        /// Whether equal tasks may be settled by it, where the kind allows it at all. Where not, who waits for it runs by itself.
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

/// Whether a failed attempt is the last, and if not, how long to wait. `attempt` counts this one; `chance` is uniform in `[0, 1)`.
pub fn judge(
    error: JobError,
    attempt: u16,
    max_attempts: u16,
    policy: &RetryPolicy,
    chance: f64,
) -> Verdict {
    if !error.class.retryable() || attempt >= max_attempts {
        return Verdict::Failed(error);
    }
    let pause = policy.pause(attempt, chance, error.retry_after_ms.map(Duration::from_millis));
    Verdict::Retry { error, pause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    #[test]
    fn only_errors_that_may_go_away_are_tried_again_and_only_so_often() {
        let verdict = |class, attempt| {
            judge(JobError::new("x", class, "y"), attempt, 3, &RetryPolicy::DEFAULT, 0.5)
        };
        for class in [ErrorClass::Transient, ErrorClass::Bug] {
            assert!(matches!(verdict(class, 2), Verdict::Retry { .. }));
            assert!(matches!(verdict(class, 3), Verdict::Failed(_)));
        }
        for class in [ErrorClass::Caller, ErrorClass::Permanent] {
            assert!(matches!(verdict(class, 1), Verdict::Failed(_)));
        }
    }
}
