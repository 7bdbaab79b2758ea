//! Limits and pauses that operators set, and the workers that are alive. They are stored, so every
//! dispatcher sees them.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    id::{JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    queue::Queue,
    view::Progress,
};

/// Name of the limit for each tenant that has no limit of its own.
pub const EACH_TENANT: &str = "*";

/// The tasks that a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitScope {
    /// All tasks of a tenant.
    Tenant,
    /// All tasks of a kind.
    Kind,
    /// All tasks of the kinds that use a provider.
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

/// The most tasks that may be `queued` or `running` at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    pub scope: LimitScope,
    /// A tenant ([`EACH_TENANT`]: each without a limit of its own), a kind or a provider.
    pub name: String,
    /// Zero holds all tasks back.
    pub most: u32,
    /// The kinds that are counted: the named one, or those that use the provider. Empty for a
    /// tenant, whose tasks all count.
    pub kinds: Vec<String>,
}

/// A queue or tenant that can be paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pausable {
    Queue(Queue),
    Tenant(TenantId),
}

impl Pausable {
    /// Its stored scope and name.
    pub fn scope_and_name(&self) -> (&'static str, &str) {
        match self {
            Self::Queue(queue) => ("queue", queue.as_str()),
            Self::Tenant(tenant) => ("tenant", &tenant.0),
        }
    }

    /// Returns whether its pause holds the tasks of a queue and tenant.
    pub fn holds(&self, queue: Queue, tenant: &str) -> bool {
        match self {
            Self::Queue(paused) => *paused == queue,
            Self::Tenant(paused) => paused.0 == tenant,
        }
    }

    /// The queues whose dispatchers obey this pause.
    pub fn queues(&self) -> Vec<Queue> {
        match self {
            Self::Queue(queue) => vec![*queue],
            Self::Tenant(_) => Queue::ALL.to_vec(),
        }
    }
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub target: Pausable,
    pub since: Timestamp,
    /// The name that its caller gave, such as `ann@host`.
    pub by: Option<String>,
}

/// A live worker with its running tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveWorker {
    pub worker: WorkerId,
    /// Its machine and process.
    pub name: String,
    /// Slots by queue, without queues in which it has none.
    pub slots: Vec<(Queue, u32)>,
    /// Set if it is stopping.
    pub draining: bool,
    /// Time of its last heartbeat.
    pub seen_at: Timestamp,
    /// Its running tasks, the longest-running first.
    pub runs: Vec<RunningTask>,
}

/// A running task.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningTask {
    pub task: TaskId,
    pub job: JobId,
    pub tenant: TenantId,
    /// Its name in the plan.
    pub name: String,
    pub kind: String,
    pub queue: Queue,
    /// Number of the attempt.
    pub attempt: u16,
    /// Start of the attempt.
    pub started_at: Timestamp,
    /// Its latest report, if it sent one.
    pub progress: Option<Progress>,
}

/// The part of the store that operators use.
#[async_trait]
pub trait Operations: Send + Sync + 'static {
    /// All limits, by scope and name.
    async fn limits(&self) -> PortResult<Vec<Limit>>;

    /// Sets a limit, replacing the one of the same scope and name. Running tasks go on, however low
    /// the limit is.
    async fn set_limit(&self, limit: &Limit) -> PortResult<()>;

    /// Removes a limit. Returns whether there was one.
    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool>;

    /// All pauses, queues first.
    async fn pauses(&self) -> PortResult<Vec<Pause>>;

    /// Pauses a queue or tenant in the name of a caller: none of its tasks is queued any more,
    /// `queued` ones are `ready` again, and running ones go on. Pausing twice changes nothing.
    async fn pause(&self, target: &Pausable, by: Option<&str>) -> PortResult<()>;

    /// Ends a pause. Returns whether there was one.
    async fn resume(&self, target: &Pausable) -> PortResult<bool>;

    /// The live workers by name, with their running tasks.
    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>>;
}
