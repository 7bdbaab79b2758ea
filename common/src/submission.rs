//! Submissions: the jobs and batches that a producer gives to the store in one call.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    error::JobError,
    id::{BatchId, Digest, JobId, TenantId},
    plan::{NewTask, Overrides},
    rules::lifecycle::JobStatus,
    trace::TraceParent,
};

/// A priority of 0 to 9; higher runs first. The default is 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// The highest priority.
    pub const MAX: u8 = 9;
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// A planned job that is not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Made before the insert, so that an insert whose commit is unknown can be repeated.
    pub id: JobId,
    pub kind: String,
    /// The caller's input, unchanged.
    pub input: Value,
    pub priority: Priority,
    /// The earliest time to start, by the clock of the store. `None` is at once, as is a time that
    /// has passed.
    pub run_at: Option<Timestamp>,
    /// The job fails as expired if none of its tasks starts within this time after it was accepted,
    /// or after its `run_at`.
    pub queue_timeout: Option<Duration>,
    pub tags: Vec<String>,
    /// The caller's own data, returned as it was given.
    pub metadata: Option<Value>,
    /// Bounds for tasks that its plan adds later.
    pub overrides: Overrides,
    /// The first tasks of the plan.
    pub tasks: Vec<NewTask>,
    /// The trace of the call that created it; its task messages carry it.
    pub trace: Option<TraceParent>,
    /// Set if the newest job that is the same answers in its place. Not in a batch.
    pub unique: Option<Unique>,
}

impl NewJob {
    /// Sets the trace.
    pub fn traced(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }
}

/// A job of which there is one at a time, or one within a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// The hash of what makes two jobs of a tenant the same.
    pub key: Digest,
    /// A job is the same for this long after it was accepted; for as long as it is kept if there
    /// is none.
    pub period: Option<Duration>,
    /// The final statuses in which a job is still the same. An open job always is.
    pub statuses: Vec<JobStatus>,
}

/// One item of a batch.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "refused items are few, and a box for each job is not"
)]
pub enum NewItem {
    Job(NewJob),
    /// An item whose input was refused. It never becomes a job.
    Refused(JobError),
}

/// Many jobs, settled item by item.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBatch {
    /// Made before the insert, so that it can be repeated.
    pub id: BatchId,
    /// The items, in the caller's order.
    pub items: Vec<NewItem>,
    /// The most tasks of the batch that may be `queued` or `running` at once.
    pub max_concurrent: Option<u32>,
    /// Set if the first failed item cancels those that have not settled.
    pub stop_on_error: bool,
}

impl NewBatch {
    /// Sets the trace of all jobs.
    pub fn traced(self, trace: Option<TraceParent>) -> Self {
        let item = |item| match item {
            NewItem::Job(job) => NewItem::Job(job.traced(trace.clone())),
            refused @ NewItem::Refused(_) => refused,
        };
        Self { items: self.items.into_iter().map(item).collect(), ..self }
    }
}

/// The work of a submission.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most submissions are a job, which needs no box")]
pub enum Work {
    Job(NewJob),
    Batch(NewBatch),
}

/// The idempotency of a call: it takes effect once, however often it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// The hash of route and body. The same key with another fingerprint is refused.
    pub fingerprint: Digest,
    /// The body of the first response, returned again to a repeated call.
    pub answer: String,
}

impl Work {
    /// The id of its job and how that is unique; `None` if it is not.
    pub fn unique(&self) -> Option<(JobId, &Unique)> {
        match self {
            Self::Job(job) => job.unique.as_ref().map(|unique| (job.id, unique)),
            Self::Batch(_) => None,
        }
    }
}

/// One accepted call on its way to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    pub tenant: TenantId,
    /// Set if the caller sent an idempotency key.
    pub idempotency: Option<Idempotency>,
    pub work: Work,
}

/// The store's answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// The work is stored, and never lost from here on.
    Stored,
    /// The same call was stored before, with this response.
    Replayed(String),
    /// The idempotency key belongs to another call.
    KeyReused,
    /// The job is unique, and this one is the same. Nothing was stored.
    Same(JobId),
}
