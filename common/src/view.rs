//! Views of jobs, batches and tasks, as the store returns them and the view cache holds them.
//!
//! Views are internal: the producer turns them into the API's answers, and adds the URLs there.

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

/// The progress of a job or an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// 0 to 1.
    pub value: f64,
    /// A word for the current step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
}

/// Orders two views of one job by age: by the job row's version, then the fence of the reporting
/// attempt, then its progress count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct Rank {
    /// The version of the job's row, which grows with every change.
    pub version: i64,
    /// The fence of the reporting attempt; 0 in a view read from the store.
    pub fence: i64,
    /// The number of the report within its attempt.
    pub sequence: u64,
}

/// The reason why a job is not running.
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
    /// Other jobs that use the same provider, under a limit.
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
    /// The broker: there is room in the queue, and no task message gets through. Producers say
    /// this in place of `slot`; the store does not know the broker.
    #[serde(rename = "broker")]
    Broker,
}

/// The number of tasks of one kind within a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct KindCount {
    /// All tasks of the kind so far.
    pub total: u32,
    /// Tasks that have settled, with any result.
    pub settled: u32,
    /// Tasks settled by a memo or a leader, without a run of their own.
    pub cached: u32,
}

/// The view of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    pub id: JobId,
    pub tenant: TenantId,
    pub kind: String,
    pub status: JobStatus,
    /// Set until the job is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The output of the result task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The reason for its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The job's batch, and its index there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<(BatchId, u32)>,
    /// 0 to 9.
    pub priority: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The caller's own data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// The time at which it was accepted.
    pub created_at: Timestamp,
    /// The earliest time to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// The time at which its first task started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The time at which it became final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Attempts begun, summed over all tasks, without those that were released or lost.
    pub attempts: u32,
    /// The reason why nothing of it runs, until it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Task counts by kind; empty for a job of one task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, KindCount>,
    /// The age of this view.
    pub rank: Rank,
}

/// The view of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchView {
    pub id: BatchId,
    /// The number of items.
    pub total: u32,
    /// Items whose job succeeded.
    pub fulfilled: u32,
    /// Items refused, failed or cancelled.
    pub rejected: u32,
    /// The time at which it was accepted.
    pub created_at: Timestamp,
    /// The time at which its last item settled.
    pub settled_at: Option<Timestamp>,
}

impl BatchView {
    /// The number of items that have not settled.
    pub fn pending(&self) -> u32 {
        self.total - self.fulfilled - self.rejected
    }
}

/// One item of a batch: a job, or the error of an input that was refused.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemView {
    Job(Box<JobView>),
    Refused(JobError),
}

/// The view of a task of a job's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    pub id: TaskId,
    pub job: JobId,
    /// Unique in its plan or growth.
    pub name: String,
    pub kind: String,
    /// The queue whose slots it takes.
    pub queue: Queue,
    pub state: TaskState,
    /// The tasks that it waits for or waited for.
    pub needs: Vec<TaskId>,
    /// Attempts begun.
    pub attempts: u16,
    /// Attempts whose worker died.
    pub losses: u16,
    /// Its newest fence.
    pub fence: Fence,
    /// Set if it settled without a run of its own.
    pub cached: bool,
    /// The worker that runs it or ran it last.
    pub worker: Option<WorkerId>,
    /// The progress of the running attempt.
    pub progress: Option<Progress>,
    /// The last error.
    pub error: Option<JobError>,
    /// Every failed attempt, oldest first.
    pub errors: Vec<FailedAttempt>,
    /// The time at which it entered the store.
    pub created_at: Timestamp,
    /// The time at which its last attempt began.
    pub started_at: Option<Timestamp>,
    /// The time at which it settled.
    pub finished_at: Option<Timestamp>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// The number of the attempt, from 1; 0 if the task failed before any attempt.
    pub attempt: u16,
    pub worker: Option<WorkerId>,
    /// The time of the failure.
    pub at: Timestamp,
    pub error: JobError,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `most` of these items. One item more shows that there is a next page,
    /// whose cursor is that of the last item here.
    pub fn of(mut items: Vec<T>, most: u32, cursor: impl Fn(&T) -> String) -> Self {
        let most = most as usize;
        let has_more = items.len() > most;
        items.truncate(most);
        let next = items.last().filter(|_| has_more).map(cursor);
        Self { items, next }
    }

    /// The page of what `to` makes of each item.
    pub fn map<U>(self, to: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(to).collect(), next: self.next }
    }
}
