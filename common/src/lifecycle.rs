//! The one table of what may happen to a task, and what it is afterwards.
//!
//! Stores spell the same from-states as literals in their SQL (partial indexes need literals); the conformance suite tries
//! every state with every event on each store and compares with [`next`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a task is. The spelling is stored: never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Needs others to settle first, or follows another task with its key.
    Waiting,
    /// May be announced, from `run_at` on.
    Ready,
    /// Taken by a dispatcher; its task message dispatches or soon will.
    Queued,
    /// Claimed by a worker that holds a lease.
    Running,
    /// Settled with an output.
    Succeeded,
    /// Settled with an error.
    Failed,
    /// Settled without either.
    Cancelled,
}

impl TaskState {
    /// All, in the order of a task's life.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Ready,
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the task has settled: nothing happens to it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskEvent {
    /// The last need settled, and no other task leads its key.
    NeedsMet,
    /// The leader of its key ended without success and this follower takes over.
    Elect,
    /// The dispatcher took it under its limits.
    Dispatch,
    /// Its task message was nacked, returned, unconfirmed or lost, or a worker had no free slot.
    HandBack,
    /// A worker claimed it: the fence grows.
    Claim,
    /// The attempt that holds the lease succeeded.
    Succeed,
    /// The attempt that holds the lease failed for good.
    Fail,
    /// The attempt failed and will be tried again.
    Retry,
    /// The worker gave it back unharmed (drain); burns no attempt.
    Release,
    /// The lease expired; counted as a loss, burns no attempt.
    Lose,
    /// The lease expired once too often.
    Quarantine,
    /// The attempt that holds the lease acknowledged a cancel.
    AcknowledgeCancel,
    /// A memo for its key, or the success of its key's leader, settled it.
    MemoHit,
    /// Cancelled before it ran.
    Cancel,
    /// A need failed, and the edge says `cancel`.
    NeedFailed,
    /// It waited longer than it was allowed to.
    Expire,
}

impl TaskEvent {
    /// All events.
    pub const ALL: [Self; 16] = [
        Self::NeedsMet,
        Self::Elect,
        Self::Dispatch,
        Self::HandBack,
        Self::Claim,
        Self::Succeed,
        Self::Fail,
        Self::Retry,
        Self::Release,
        Self::Lose,
        Self::Quarantine,
        Self::AcknowledgeCancel,
        Self::MemoHit,
        Self::Cancel,
        Self::NeedFailed,
        Self::Expire,
    ];
}

/// An event that a state does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} can't take {event:?}")]
pub struct IllegalTransition {
    /// Where the task was.
    pub state: TaskState,
    /// What was asked of it.
    pub event: TaskEvent,
}

/// What a task in `state` is after `event`.
pub fn next(state: TaskState, event: TaskEvent) -> Result<TaskState, IllegalTransition> {
    use {TaskEvent as E, TaskState as S};
    Ok(match (state, event) {
        (S::Waiting, E::NeedsMet | E::Elect) => S::Ready,
        (S::Ready, E::Dispatch) => S::Queued,
        (S::Queued, E::HandBack) => S::Ready,
        (S::Queued, E::Claim) => S::Running,
        (S::Running, E::Succeed) => S::Succeeded,
        (S::Running, E::Fail | E::Quarantine) => S::Failed,
        (S::Running, E::Retry | E::Release | E::Lose) => S::Ready,
        (S::Running, E::AcknowledgeCancel) => S::Cancelled,
        (S::Waiting | S::Ready | S::Queued, E::MemoHit) => S::Succeeded,
        (S::Waiting | S::Ready | S::Queued, E::Cancel) => S::Cancelled,
        (S::Waiting, E::NeedFailed) => S::Cancelled,
        (S::Waiting | S::Ready | S::Queued, E::Expire) => S::Failed,
        _ => return Err(IllegalTransition { state, event }),
    })
}

/// What a job, seen from outside, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Accepted; none of its tasks has started.
    Queued,
    /// A task has started, and not all have settled.
    Running,
    /// Its result task succeeded.
    Succeeded,
    /// Its result task did not.
    Failed,
    /// Someone cancelled it.
    Cancelled,
}

impl JobStatus {
    /// All, in the order of a job's life.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether the job has settled.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_task_takes_no_event() {
        for state in TaskState::ALL.into_iter().filter(|state| state.is_final()) {
            for event in TaskEvent::ALL {
                assert_eq!(next(state, event), Err(IllegalTransition { state, event }));
            }
        }
    }

    #[test]
    fn only_a_claim_starts_a_task_and_only_from_queued() {
        for state in TaskState::ALL {
            for event in TaskEvent::ALL {
                if next(state, event) == Ok(TaskState::Running) {
                    assert_eq!((state, event), (TaskState::Queued, TaskEvent::Claim));
                }
            }
        }
    }

    #[test]
    fn every_state_that_is_not_final_can_reach_an_end() {
        for start in TaskState::ALL.into_iter().filter(|state| !state.is_final()) {
            assert!(
                TaskEvent::ALL
                    .into_iter()
                    .any(|event| next(start, event).is_ok_and(TaskState::is_final))
            );
        }
    }

    #[test]
    fn stored_spellings_read_back() {
        assert!(
            TaskState::ALL.into_iter().all(|state| TaskState::parse(state.as_str()) == Some(state))
        );
        assert!(
            JobStatus::ALL
                .into_iter()
                .all(|status| JobStatus::parse(status.as_str()) == Some(status))
        );
    }
}
