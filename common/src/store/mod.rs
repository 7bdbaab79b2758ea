//! The store: the truth about jobs, tasks, plans and memos. All other parts can be lost.
//!
//! Every write is set-based and commits by itself; no caller holds a transaction. Locks are taken in
//! one order everywhere: tasks by id, then their dependents by id, jobs by id, batches by id, limits
//! by name. Time is the store's own clock.
//!
//! The port is a sum of traits, one for each duty; an adapter implements each in the file that does
//! it.

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
    dispatch::{Demand, Dispatch, Dispatched},
    leases::{
        Claimed, Heartbeat, HeartbeatReply, Leases, NeedOutcome, Settled, WorkerRegistration,
    },
    operations::{EACH_TENANT, Limit, LimitScope, LiveWorker, Operations, Pausable, RunningTask},
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

/// A job or a batch of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Job(JobId),
    /// All jobs of a batch.
    Batch(BatchId),
}
