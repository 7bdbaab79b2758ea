//! Attempts: claiming tasks, keeping their leases, and settling them.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::Changes;
use crate::{
    error::JobError,
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    outcome::Settlement,
    plan::Overrides,
    port::PortResult,
    queue::Queue,
    view::{JobView, Progress},
};

/// A worker as it registers itself with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRegistration {
    pub worker: WorkerId,
    /// Its machine and process, for operators.
    pub name: String,
    /// Slots by queue; a queue with zero slots, or left out, is not consumed.
    pub slots: Vec<(Queue, u32)>,
    /// Set if it is stopping: its slots no longer count.
    pub draining: bool,
    /// The kinds that it runs, each with the newest version that it knows. If there is none, it
    /// runs any.
    pub kinds: Vec<(String, u32)>,
}

/// A claimed task, with all that an attempt needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    pub task: TaskId,
    pub job: JobId,
    pub tenant: TenantId,
    /// Its name in the plan.
    pub name: String,
    pub kind: String,
    /// The kind's version when the task was planned.
    pub kind_version: u32,
    pub input: Value,
    /// Set if the stored input can't be read; `input` is null then, and the task must fail.
    pub unreadable: Option<JobError>,
    /// Outcomes of its needs, in the plan's order.
    pub needs: Vec<NeedOutcome>,
    /// Set if its output is the job's result.
    pub result: bool,
    /// The right to settle it.
    pub fence: Fence,
    /// Number of this attempt; the first is 1.
    pub attempt: u16,
    /// Number of the last attempt.
    pub max_attempts: u16,
    /// Workers that died while they ran it.
    pub losses: u16,
    /// The attempt is ended after this long.
    pub timeout: Duration,
    /// Bounds for the tasks that it adds.
    pub overrides: Overrides,
    /// The job's view at the time of the claim, on which reports of progress build.
    pub view: JobView,
}

/// Outcome of one need.
#[derive(Debug, Clone, PartialEq)]
pub struct NeedOutcome {
    /// Its name in the plan.
    pub name: String,
    /// Its output, or the error behind an edge that says `proceed`.
    pub result: Result<Value, JobError>,
}

/// Heartbeat of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    pub task: TaskId,
    pub fence: Fence,
    /// Its latest progress, if it reports any.
    pub progress: Option<Progress>,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatReply {
    /// The lease is renewed.
    Held,
    /// The lease is renewed, and a cancel was requested: acknowledge it by settling as cancelled.
    Cancel,
    /// The lease is lost: stop and report nothing.
    Stale,
}

/// Answer to a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Committed.
    Counted,
    /// The worker no longer holds the lease under this fence: nothing changed.
    Stale,
}

/// The part of the store that workers use.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Claims each task that is `queued`: it is `running`, its fence and attempt grow by one, and
    /// the lease begins. `None` for any other task.
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>>;

    /// Registers the worker, renews its leases and stores progress.
    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>>;

    /// Writes verdicts, each under its worker and fence, with all consequences: dependents, grown
    /// tasks, memos, waiters, the counters of job and batch. Returns after the commit.
    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)>;

    /// Takes each task whose lease the worker still holds back to `ready`, without burning the
    /// attempt.
    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes>;
}
