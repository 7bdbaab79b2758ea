//! Accepting, cancelling and retrying jobs and batches.

use async_trait::async_trait;

use super::{Changes, Target};
use crate::{
    id::TenantId,
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    submission::{Acceptance, Submission},
};

/// Result of [`Submissions::accept`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Accepted {
    /// One answer for each submission, in order.
    pub answers: Vec<Acceptance>,
    /// Messages to publish, for tasks that went straight to `queued` under the credit.
    pub messages: Vec<TaskMessage>,
    pub changes: Changes,
}

/// The number of tasks of a queue that an accept may queue at once, instead of leaving them to a
/// dispatch: the queue's unused room while its dispatcher knows of no older ready task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    pub queue: Queue,
    pub tasks: u32,
}

/// The commands of clients.
#[async_trait]
pub trait Submissions: Send + Sync + 'static {
    /// Stores submissions, each by itself: one that the store refuses harms no other. A repeated
    /// submission (same ids) changes nothing. Tasks without needs become ready, settle by a memo,
    /// or go straight to `queued` under the credit.
    async fn accept(&self, submissions: Vec<Submission>, credit: &[Credit])
    -> PortResult<Accepted>;

    /// Cancels all that has not settled: at once where nothing runs, by asking the worker where it
    /// does. `None` if the tenant has no such target.
    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>>;

    /// Inserts the unsuccessful tasks of a final job, or of a batch's final items, as tasks of the
    /// next generation. Returns how many jobs run again (0: nothing to retry), or `None` if the
    /// tenant has no such target. Refused items of a batch stay refused.
    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>>;
}
