//! The store: the truth about jobs, tasks, plans and memos. All other parts can be lost.
//!
//! Every write takes many rows and commits by itself; no caller holds a transaction. Time is the
//! store's own clock.
//!
//! The port is a sum of traits, one for each duty. An adapter implements each in a file of the same
//! name: `Leases` of `leases.rs` here in `leases.rs` there.

mod dead;
mod dispatch;
mod leases;
mod operations;
mod reads;
mod references;
mod schedules;
mod submissions;
mod upkeep;

pub use self::{
    dead::{DeadFilter, DeadWork},
    dispatch::{Demand, Dispatch, Dispatched, QueuePlace},
    leases::{
        Claimed, Heartbeat, HeartbeatReply, Leases, NeedOutcome, Settled, WorkerRegistration,
    },
    operations::{
        EACH_TENANT, Limit, LimitScope, LiveWorker, Operations, Pausable, Pause, RunningTask,
    },
    reads::{JobFilter, Reads},
    references::ArtifactReferences,
    schedules::{Course, Refusal, Schedule, Schedules},
    submissions::{Accepted, Credit, Submissions},
    upkeep::{Retention, SweepPolicy, Swept, Upkeep},
};

use crate::{
    id::{BatchId, JobId, TaskId},
    queue::Queue,
    view::JobView,
};

/// All duties of the store.
pub trait Store:
    Submissions
    + Dispatch
    + Leases
    + Reads
    + Operations
    + Schedules
    + DeadWork
    + ArtifactReferences
    + Upkeep
{
}

impl<S> Store for S where
    S: Submissions
        + Dispatch
        + Leases
        + Reads
        + Operations
        + Schedules
        + DeadWork
        + ArtifactReferences
        + Upkeep
{
}

/// Side effects of a write, for those who have to know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Jobs whose view changed, as they are now.
    pub views: Vec<JobView>,
    /// Queues in which a task became ready: their dispatchers look again.
    pub readied: Vec<Queue>,
    /// Running tasks that this write asked to stop.
    pub stopping: Vec<TaskId>,
}

impl Changes {
    /// Adds those of a later write. A job's later view is the newer one.
    pub fn merge(&mut self, later: Self) {
        self.views.retain(|view| later.views.iter().all(|newer| newer.id != view.id));
        self.views.extend(later.views);
        self.stopping.extend(later.stopping);
        self.readied.extend(later.readied);
        self.readied.sort_unstable();
        self.readied.dedup();
    }
}

/// A job or a batch of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Job(JobId),
    /// All jobs of a batch.
    Batch(BatchId),
}
