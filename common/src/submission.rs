//! What a producer hands to the store in one call.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    error::JobError,
    id::{BatchId, Digest, JobId, TenantId},
    plan::{NewTask, Overrides},
    trace::TraceParent,
};

/// Higher runs first. 0 to 9; 5 unless said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// The highest.
    pub const MAX: u8 = 9;
}

impl Default for Priority {
    fn default() -> Self {
        Self(5)
    }
}

/// A job, planned.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Made before the insert, so that an unclear commit can be repeated.
    pub id: JobId,
    /// The kind asked for.
    pub kind: String,
    /// The input as it was given.
    pub input: Value,
    /// Its band.
    pub priority: Priority,
    /// Not before this; `None` is at once.
    pub run_at: Option<Timestamp>,
    /// It is failed as expired if none of its tasks has started this long after it was accepted, or after its `run_at`.
    pub queue_timeout: Option<Duration>,
    /// For filters.
    pub tags: Vec<String>,
    /// The caller's own, echoed.
    pub metadata: Option<Value>,
    /// Bounds for tasks that its plan adds later.
    pub overrides: Overrides,
    /// Its first tasks.
    pub tasks: Vec<NewTask>,
    /// The trace of the call that made it, which its task messages carry.
    pub trace: Option<TraceParent>,
}

impl NewJob {
    /// The same, as part of a trace.
    pub fn traced(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }
}

/// One item of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum NewItem {
    /// Accepted as a job.
    Job(NewJob),
    /// Refused by itself; never a job.
    Refused(JobError),
}

/// Many jobs, settled item by item.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBatch {
    /// Made before the insert.
    pub id: BatchId,
    /// In the caller's order.
    pub items: Vec<NewItem>,
    /// At most this many of its tasks `queued` or `running` at once.
    pub max_concurrent: Option<u32>,
    /// Set if the first failed item cancels those that have not settled.
    pub stop_on_error: bool,
}

impl NewBatch {
    /// The same, with all jobs as part of a trace.
    pub fn traced(self, trace: Option<TraceParent>) -> Self {
        let item = |item| match item {
            NewItem::Job(job) => NewItem::Job(job.traced(trace.clone())),
            refused @ NewItem::Refused(_) => refused,
        };
        Self { items: self.items.into_iter().map(item).collect(), ..self }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// One job.
    Job(NewJob),
    /// Many.
    Batch(NewBatch),
}

/// A call that must be answered once, however often it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// The hash of route and body: the same key with another is refused.
    pub fingerprint: Digest,
    /// The answer's body, kept for replays.
    pub answer: String,
}

/// One accepted call, on its way to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Whose it is.
    pub tenant: TenantId,
    /// If the caller named it.
    pub idempotency: Option<Idempotency>,
    /// What to do.
    pub work: Work,
}

/// What the store said to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// Stored; never lost from here on.
    Stored,
    /// The same call was stored before: this was its answer.
    Replayed(String),
    /// The key stands for another call.
    KeyReused,
}
