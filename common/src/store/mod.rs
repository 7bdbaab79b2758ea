//! The truth: jobs, tasks, plans, memos. Everything else can be lost.
//!
//! Every write is set-based and commits by itself; no caller holds a transaction. Locks are taken in one order everywhere: tasks by
//! id, then their dependents by id, jobs by id, batches by id, limits by name. Time is the store's own clock.
//!
//! Which states a write starts from and ends in is `crate::lifecycle`'s business: an adapter spells those literals in its SQL and
//! the conformance suite compares.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

pub mod dead;
pub mod operations;
pub mod references;
pub mod schedules;

use dead::DeadWork;
use operations::Controls;
use references::ArtifactReferences;
use schedules::Schedules;

use crate::{
    error::JobError,
    id::{BatchId, Digest, Fence, JobId, TaskId, TenantId, WorkerId},
    lifecycle::JobStatus,
    limits::DRAIN_WITHIN,
    outcome::Settlement,
    plan::Overrides,
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    submission::{Acceptance, Submission},
    view::{BatchView, ItemView, JobView, Page, Progress, TaskView},
};

/// What a write changes besides what it was asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Jobs whose view changed, as they are now.
    pub views: Vec<JobView>,
    /// Classes in which a task became ready: their dispatcher should look.
    pub readied: Vec<Queue>,
    /// Running tasks that were asked to stop by this write.
    pub stopping: Vec<TaskId>,
}

/// The answers to [`Store::accept`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Accepted {
    /// One for each submission, in order.
    pub answers: Vec<Acceptance>,
    /// Tasks that went straight to `queued` under the credit: dispatch them.
    pub messages: Vec<TaskMessage>,
    /// The rest.
    pub changes: Changes,
}

/// How many tasks of a queue an accept may queue at once, instead of leaving them to [`Store::dispatch`]: the dispatcher's unused window
/// while it knows of no older ready task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The queue.
    pub queue: Queue,
    /// At most this many.
    pub tasks: u32,
}

/// What [`Store::dispatch`] took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dispatched {
    /// Tasks now `queued`, highest band first: dispatch them.
    pub messages: Vec<TaskMessage>,
    /// Room that was left in the window after these: credit for accepts if `more` is false.
    pub left: u32,
    /// Whether ready tasks were left behind for want of room (not for want of a limit or their time).
    pub more: bool,
    /// When the next task that only waits for its time is due.
    pub next_due: Option<Timestamp>,
    /// Attempts ended in this queue by live workers so far, a running total: its growth tells the dispatcher how far ahead to queue.
    pub ended: u64,
}

/// A worker as it shows itself with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerRegistration {
    /// Who.
    pub worker: WorkerId,
    /// Its machine and process, for operators.
    pub name: String,
    /// Slots by queue; zero, or a queue left out, takes nothing.
    pub slots: Vec<(Queue, u32)>,
    /// Whether it is leaving: its slots count for nothing any more.
    pub draining: bool,
}

/// A claimed task: all that an attempt needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The task.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name in the plan.
    pub name: String,
    /// What runs it.
    pub kind: String,
    /// The kind's version when it was planned.
    pub kind_version: u32,
    /// Its input.
    pub input: Value,
    /// What its needs came to, in the plan's order: an output, or the error behind an edge that says `proceed`.
    pub needs: Vec<NeedOutcome>,
    /// Whether its output is the job's result.
    pub result: bool,
    /// The right to settle it.
    pub fence: Fence,
    /// This attempt's number; the first is 1.
    pub attempt: u16,
    /// The last attempt's number.
    pub max_attempts: u16,
    /// Workers that died with it.
    pub losses: u16,
    /// The attempt is ended after this long.
    pub timeout: Duration,
    /// For tasks it adds.
    pub overrides: Overrides,
    /// The job's view as of the claim: what progress is told against.
    pub view: JobView,
}

/// What one need came to.
#[derive(Debug, Clone, PartialEq)]
pub struct NeedOutcome {
    /// Its name in the plan.
    pub name: String,
    /// Its output, or why there is none.
    pub result: Result<Value, JobError>,
}

/// One heartbeat of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub fence: Fence,
    /// How far it is, if that is known.
    pub progress: Option<Progress>,
}

/// What a heartbeat hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeartbeatReply {
    /// The lease goes on.
    Held,
    /// The lease goes on, and someone wants it to stop: acknowledge by settling as cancelled.
    Cancel,
    /// The lease is gone: stop, report nothing.
    Stale,
}

/// Whether a settlement counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Committed.
    Counted,
    /// Fence or worker no longer hold the lease: nothing changed.
    Stale,
}

/// How [`Store::sweep`] judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepPolicy {
    /// A task whose workers died this often is failed as poison.
    pub quarantine_after: u16,
    /// At most this many rows of each kind in one call.
    pub most: u32,
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Swept {
    /// Leases that had expired; their tasks are ready again.
    pub lost: u32,
    /// Tasks failed as poison.
    pub quarantined: u32,
    /// Tasks failed because their job did not start in the time that it allowed.
    pub expired: u32,
    /// The rest.
    pub changes: Changes,
}

/// A job or a batch of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One job.
    Job(JobId),
    /// All jobs of a batch.
    Batch(BatchId),
}

/// Which jobs a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only with this status.
    pub status: Option<JobStatus>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
}

/// What a queue wants of its workers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demand {
    /// `ready` (and due) or `queued`; counted up to `limits::COUNTED_BACKLOG` and no further.
    pub waiting: u64,
    /// `queued` of these.
    pub queued: u64,
    /// `running`.
    pub running: u64,
    /// Slots of live workers.
    pub slots: u64,
    /// Live workers that have slots for it.
    pub workers: u64,
    /// How long an attempt takes that succeeds: the median of the latest, in milliseconds. `None` while none has.
    pub median_ms: Option<u64>,
    /// Whether the queue is paused.
    pub paused: bool,
    /// Age of the oldest due task that does not run, in milliseconds.
    pub oldest_ms: u64,
}

impl Demand {
    /// Slots that would have what waits done within `limits::DRAIN_WITHIN`, beside what runs: at the median of the latest attempts, or one
    /// for each task that waits where none has ended yet. Never more than one for each task; none for what is paused.
    pub fn slots_needed(&self) -> u64 {
        if self.paused {
            return self.running;
        }
        let window = u64::try_from(DRAIN_WITHIN.as_millis()).unwrap_or(u64::MAX);
        let for_waiting =
            self.median_ms.map_or(self.waiting, |ms| (self.waiting * ms).div_ceil(window));
        self.running + for_waiting.clamp(self.waiting.min(1), self.waiting)
    }

    /// Workers with as many slots as those that are alive have on average (one, if none is) that would have these slots.
    pub fn workers_needed(&self) -> u64 {
        let each = self.slots.checked_div(self.workers).unwrap_or(1).max(1);
        self.slots_needed().div_ceil(each)
    }
}

/// What [`Store::retain`] removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Final jobs older than this.
    pub jobs: Duration,
    /// Memos unused for this long.
    pub memos: Duration,
    /// At most this many rows in one call.
    pub most: u32,
}

/// The store of jobs and tasks.
#[async_trait]
pub trait Store:
    Controls + Schedules + DeadWork + ArtifactReferences + Send + Sync + 'static
{
    /// Stores submissions, each by itself: one that the store refuses harms no other. A repeated submission (same ids) changes nothing.
    /// Tasks without needs become ready, or settle by their memo, or go straight to `queued` under the credit.
    async fn accept(&self, submissions: Vec<Submission>, credit: &[Credit])
    -> PortResult<Accepted>;

    /// `ready` → `queued`, at most `most`: highest band first, fair between tenants within a band, under every limit, and no more than the
    /// queue's window: slots of live workers, less its `queued` and `running`, plus `ahead`.
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched>;

    /// `queued` → `ready`: a message that could not be dispatched, or a worker without a free slot. Any other state is left alone.
    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64>;

    /// `queued` → `running` for each that is `queued`; `None` for any other. The fence and the attempt grow by one, the lease begins.
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>>;

    /// Renews leases and keeps progress. Also tells that the worker lives, with its slots, even without a task.
    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>>;

    /// Writes verdicts, each under its worker and fence, with all that follows: dependents, grown tasks, memos, followers, the counters of
    /// job and batch. The answer comes when it is committed.
    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)>;

    /// `running` → `ready`, unharmed and without burning the attempt, for each whose lease the worker still holds.
    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes>;

    /// Looks for leases that expired by the store's clock, and judges them. Each row by itself.
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept>;

    /// Tasks `queued` for longer than `age` in a queue, oldest first, with how many are `queued` in all: messages that the broker may have lost.
    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)>;

    /// Cancels what has not settled: at once where nothing runs, by asking the worker where it does. `None` if the tenant has no such target.
    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>>;

    /// Inserts what did not succeed of a final job, or of a batch's final items, as tasks of the next generation. Answers how many jobs run
    /// again (0: nothing to retry); `None` if the tenant has no such target. Refused items of a batch stay refused.
    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>>;

    /// Jobs as they are now, in the order of the ids; `None` where the tenant has no such job.
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>>;

    /// A job's plan in the order of insertion, or `None`.
    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>>;

    /// One task, or `None`.
    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>>;

    /// A batch, or `None`.
    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>>;

    /// A batch's items from index `from` on, in order, at most `most`; `None` if the tenant has no such batch.
    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>>;

    /// Jobs newest first, from the one after `after` on.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>>;

    /// Which of these keys have a memo, in their order: what would be found rather than run. A look does not keep a memo from ageing.
    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>>;

    /// What a queue wants.
    async fn demand(&self, queue: Queue) -> PortResult<Demand>;

    /// Removes what is old, in small steps; answers how many rows went.
    async fn retain(&self, retention: Retention) -> PortResult<u64>;

    /// Whether it can be reached and written, and its schema is the one this program knows.
    async fn check(&self) -> PortResult<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_needed_are_those_that_drain_what_waits_in_time() {
        let demand = |waiting, running, median_ms| Demand {
            waiting,
            running,
            median_ms,
            slots: 8,
            workers: 2,
            ..Demand::default()
        };
        assert_eq!(
            demand(0, 0, Some(50)).workers_needed(),
            0,
            "nothing waits, nothing runs: nobody is needed"
        );
        assert_eq!(
            (demand(1, 0, Some(50)).slots_needed(), demand(1, 0, Some(50)).workers_needed()),
            (1, 1)
        );
        assert_eq!(demand(600, 0, Some(1_000)).slots_needed(), 20, "600 s of work within 30 s");
        assert_eq!(demand(600, 4, Some(1_000)).workers_needed(), 6, "24 slots by fours");
        assert_eq!(demand(5, 0, Some(3_600_000)).slots_needed(), 5, "never more slots than tasks");
        assert_eq!(demand(7, 1, None).slots_needed(), 8, "a slot for each while nothing is known");
        assert_eq!(
            Demand { waiting: 3, ..Demand::default() }.workers_needed(),
            3,
            "of one slot each while none is alive"
        );
        assert_eq!(
            Demand { paused: true, ..demand(9, 2, None) }.slots_needed(),
            2,
            "what is paused wants nobody"
        );
    }
}
