//! The one table of what may happen to a task and which state follows.
//!
//! The SQLite store builds its statements from [`TaskEvent::transition`]. PostgreSQL spells the
//! same states as literals in SQL. The conformance suite tries every state with every event on each
//! store and compares with [`next`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// State of a task. The spelling is stored and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Needs other tasks to settle first, or waits for the output of a task with the same key.
    Waiting,
    /// May be dispatched from `run_at` on.
    Ready,
    /// Taken by a dispatcher; its task message is or soon will be in the broker.
    Queued,
    /// Claimed by a worker that holds a lease.
    Running,
    /// Settled with an output.
    Succeeded,
    /// Settled with an error.
    Failed,
    /// Settled without an output, because it was cancelled or a need failed.
    Cancelled,
}

impl TaskState {
    /// All states, in the order of a task's life.
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
    pub const fn as_str(self) -> &'static str {
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

    /// Returns whether the task has settled: no event changes it any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Events in a task's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskEvent {
    /// The last need settled, and no other task leads its key.
    NeedsMet,
    /// The leader of its key ended without a shared output, and this waiter is the next leader.
    Elect,
    /// The dispatcher took it under its limits.
    Dispatch,
    /// Its message was nacked, returned, unconfirmed or lost, or a worker had no free slot.
    HandBack,
    /// A worker claimed it. The fence grows.
    Claim,
    /// The attempt that holds the lease succeeded.
    Succeed,
    /// The attempt that holds the lease failed for good.
    Fail,
    /// The attempt failed and will be tried again.
    Retry,
    /// A stopping worker gave it back. Burns no attempt.
    Release,
    /// The lease expired. Counted as a loss; burns no attempt.
    Lose,
    /// The lease expired once too often.
    Quarantine,
    /// The attempt that holds the lease acknowledged a cancel.
    AcknowledgeCancel,
    /// A memo of its key, or the success of its key's leader, settled it.
    MemoHit,
    /// Cancelled before it ran.
    Cancel,
    /// A need failed, and the edge says `cancel`.
    NeedFailed,
    /// It waited longer than it was allowed to.
    Expire,
}

/// The change of state that an event makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The states in which the event is legal.
    pub from: &'static [TaskState],
    /// The state that follows.
    pub to: TaskState,
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

    /// The table: the states from which this event is legal, and the state that follows.
    pub const fn transition(self) -> Transition {
        use TaskState as S;
        const NOT_STARTED: &[TaskState] = &[S::Waiting, S::Ready, S::Queued];
        let (from, to): (&[S], S) = match self {
            Self::NeedsMet | Self::Elect => (&[S::Waiting], S::Ready),
            Self::Dispatch => (&[S::Ready], S::Queued),
            Self::HandBack => (&[S::Queued], S::Ready),
            Self::Claim => (&[S::Queued], S::Running),
            Self::Succeed => (&[S::Running], S::Succeeded),
            Self::Fail | Self::Quarantine => (&[S::Running], S::Failed),
            Self::Retry | Self::Release | Self::Lose => (&[S::Running], S::Ready),
            Self::AcknowledgeCancel => (&[S::Running], S::Cancelled),
            Self::MemoHit => (NOT_STARTED, S::Succeeded),
            Self::Cancel => (NOT_STARTED, S::Cancelled),
            Self::NeedFailed => (&[S::Waiting], S::Cancelled),
            Self::Expire => (NOT_STARTED, S::Failed),
        };
        Transition { from, to }
    }
}

/// An event that is not legal in the task's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} can't take {event:?}")]
pub struct IllegalTransition {
    pub state: TaskState,
    pub event: TaskEvent,
}

/// The state of a task after `event`.
pub fn next(state: TaskState, event: TaskEvent) -> Result<TaskState, IllegalTransition> {
    let Transition { from, to } = event.transition();
    if from.contains(&state) { Ok(to) } else { Err(IllegalTransition { state, event }) }
}

/// Status of a job, as a client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Accepted; none of its tasks has started.
    Queued,
    /// A task has started, and not all have settled.
    Running,
    /// Its result task succeeded.
    Succeeded,
    /// Its result task did not succeed.
    Failed,
    /// A client cancelled it, or its batch stopped.
    Cancelled,
}

impl JobStatus {
    /// All, in the order of a job's life.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The stored spelling.
    pub const fn as_str(self) -> &'static str {
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

    /// Returns whether the job has settled.
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
