//! What operators set and see: limits, pauses, queues, and who runs what. Kept in the store, so that every dispatcher sees it.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::port::PortResult;
use crate::{
    id::{JobId, TaskId, TenantId, WorkerId},
    queue::Queue,
    view::Progress,
};

/// The name that limits each tenant that has no limit of its own.
pub const EACH_TENANT: &str = "*";

/// What a limit counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// All tasks of a tenant.
    Tenant,
    /// All tasks of a kind.
    Kind,
    /// All tasks of the kinds that ask a provider.
    Provider,
}

impl LimitScope {
    /// All scopes.
    pub const ALL: [Self; 3] = [Self::Tenant, Self::Kind, Self::Provider];

    /// The stored spelling, part of paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Kind => "kind",
            Self::Provider => "provider",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// At most so many tasks `queued` or `running` at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// What it counts over.
    pub scope: LimitScope,
    /// Which tenant ([`EACH_TENANT`]: each without a limit of its own), kind or provider.
    pub name: String,
    /// So many. Zero holds all of it back.
    pub most: u32,
    /// The kinds that are counted: the one named, or those that ask the provider. None for a tenant, where all are.
    pub kinds: Vec<String>,
}

/// What can be paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pausable {
    /// All work of a queue.
    Queue(Queue),
    /// All work of a tenant.
    Tenant(TenantId),
}

impl Pausable {
    /// Its scope and name, as they are stored.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Queue(queue) => ("queue", queue.as_str()),
            Self::Tenant(tenant) => ("tenant", &tenant.0),
        }
    }

    /// The queues whose dispatchers it concerns.
    pub fn queues(&self) -> Vec<Queue> {
        match self {
            Self::Queue(queue) => vec![*queue],
            Self::Tenant(_) => Queue::ALL.to_vec(),
        }
    }
}

/// A live worker, and what it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveWorker {
    /// Who.
    pub worker: WorkerId,
    /// Its machine and process.
    pub name: String,
    /// Slots by queue, without those of which it has none.
    pub slots: Vec<(Queue, u32)>,
    /// Whether it is leaving.
    pub draining: bool,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// What it runs, the longest first.
    pub runs: Vec<RunningTask>,
}

/// A running task.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningTask {
    /// Which.
    pub task: TaskId,
    /// Of which job.
    pub job: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// Its name in the plan.
    pub name: String,
    /// What runs it.
    pub kind: String,
    /// Whose slot it takes.
    pub queue: Queue,
    /// The attempt's number.
    pub attempt: u16,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// How far it is, if that is known.
    pub progress: Option<Progress>,
}

/// The part of the store that operators lean on.
#[async_trait]
pub trait Controls: Send + Sync + 'static {
    /// All limits, by scope and name.
    async fn limits(&self) -> PortResult<Vec<Limit>>;

    /// Sets a limit, in the place of the one of the same scope and name. What already runs is left alone, whatever the limit.
    async fn set_limit(&self, limit: &Limit) -> PortResult<()>;

    /// Removes a limit; whether there was one.
    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool>;

    /// All that is paused, queues first.
    async fn pauses(&self) -> PortResult<Vec<Pausable>>;

    /// Nothing of it is queued any more; what is `queued` is `ready` again, what runs goes on. Pausing twice is pausing.
    async fn pause(&self, what: &Pausable) -> PortResult<()>;

    /// Ends a pause; whether there was one.
    async fn resume(&self, what: &Pausable) -> PortResult<bool>;

    /// Who is alive, by name, and runs what.
    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>>;
}
