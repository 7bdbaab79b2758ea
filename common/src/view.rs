//! What is known of jobs, batches and tasks, as the store tells it and the view cache keeps it.
//!
//! Views are for machines inside; the producer turns them into what a client sees (URLs are made there).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::JobError,
    id::{BatchId, Fence, JobId, TaskId, TenantId, WorkerId},
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
};

/// How far something is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// 0 to 1.
    pub value: f64,
    /// A word for what is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// Which of two views of one job is newer: by the job row's version, then the fence of the reporting attempt, then its progress count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Rank {
    /// Grows with every change of the job's row.
    pub version: i64,
    /// Of the attempt that reports; 0 in a view read from the store.
    pub fence: i64,
    /// Of the report within its attempt.
    pub sequence: u64,
}

/// What a job that is not running waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WaitingFor {
    /// A free slot: all workers of its queue are busy.
    #[serde(rename = "slot")]
    Slot,
    /// Its `runAt`, or the pause before the next attempt.
    #[serde(rename = "schedule")]
    Schedule,
    /// Other jobs of its tenant, under a limit.
    #[serde(rename = "limit:tenant")]
    TenantLimit,
    /// Other jobs of its kind, under a limit.
    #[serde(rename = "limit:kind")]
    KindLimit,
    /// Other jobs that ask the same provider, under a limit.
    #[serde(rename = "limit:provider")]
    ProviderLimit,
    /// Other jobs of its batch, under `maxConcurrent`.
    #[serde(rename = "limit:batch")]
    BatchLimit,
    /// Another task: one that it needs, or one with the same key.
    #[serde(rename = "needs")]
    Needs,
    /// A worker: none of its queue is alive.
    #[serde(rename = "worker")]
    Worker,
    /// Its queue or tenant is paused.
    #[serde(rename = "paused")]
    Paused,
}

/// Tasks of one kind within a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct KindCount {
    /// All of this kind so far.
    pub total: u32,
    /// Settled, whichever way.
    pub settled: u32,
    /// Settled by a memo or a leader, without a run of their own.
    pub cached: u32,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The kind asked for.
    pub kind: String,
    /// Where it is.
    pub status: JobStatus,
    /// How far, while it is not final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The output of its result task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// Its batch, and its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<(BatchId, u32)>,
    /// Its band, 0 to 9.
    pub priority: u8,
    /// For filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The caller's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Not before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// When the first of its tasks started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Attempts begun, over all its tasks.
    pub attempts: u32,
    /// Why it does not run, while it is not final and nothing of it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Its tasks by kind; empty for a job of one task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, KindCount>,
    /// How new this view is.
    pub rank: Rank,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchView {
    /// Its id.
    pub id: BatchId,
    /// Items in all.
    pub total: u32,
    /// Items whose job succeeded.
    pub fulfilled: u32,
    /// Items refused, failed or cancelled.
    pub rejected: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its last item settled.
    pub settled_at: Option<Timestamp>,
}

impl BatchView {
    /// Items that have not settled.
    pub fn pending(&self) -> u32 {
        self.total - self.fulfilled - self.rejected
    }
}

/// One item of a batch: a job, or the reason why it never became one.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemView {
    /// Accepted.
    Job(Box<JobView>),
    /// Refused.
    Refused(JobError),
}

/// A task of a job's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// Its job.
    pub job: JobId,
    /// Unique in its plan or growth.
    pub name: String,
    /// What runs it.
    pub kind: String,
    /// Whose slots it takes.
    pub queue: Queue,
    /// Where it is.
    pub state: TaskState,
    /// What it waits for or waited for.
    pub needs: Vec<TaskId>,
    /// Attempts begun.
    pub attempts: u16,
    /// Workers that died with it.
    pub losses: u16,
    /// Its newest fence.
    pub fence: Fence,
    /// Settled without a run of its own.
    pub cached: bool,
    /// Who runs it or ran it last.
    pub worker: Option<WorkerId>,
    /// How far its attempt is.
    pub progress: Option<Progress>,
    /// Its last error.
    pub error: Option<JobError>,
    /// Every attempt that failed, the first one first.
    pub errors: Vec<FailedAttempt>,
    /// When it entered the store.
    pub created_at: Timestamp,
    /// When its last attempt began.
    pub started_at: Option<Timestamp>,
    /// When it settled.
    pub finished_at: Option<Timestamp>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Its number; the first is 1. 0 where the task failed before any attempt.
    pub attempt: u16,
    /// Who ran it.
    pub worker: Option<WorkerId>,
    /// When it failed.
    pub at: Timestamp,
    /// Why.
    pub error: JobError,
}

/// One page of a list, and how to ask for the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// `None` at the end.
    pub next: Option<String>,
}
