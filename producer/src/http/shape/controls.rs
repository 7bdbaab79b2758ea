//! Limits, queues and workers, as operators see them.

use common::{
    document::{NumberBounds, TextBounds, object},
    limits::MAX_NAME_BYTES,
    queue::Queue,
    store::{Demand, Limit, LiveWorker, Pause, RunningTask},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::broker_health::BrokerAway;

const MOST: NumberBounds = NumberBounds::new(0, i32::MAX as i64, " tasks");
const BY: TextBounds = TextBounds::bytes(MAX_NAME_BYTES).and(one_line);

object! {
    /// Body of a call that sets a limit.
    #[derive(ToSchema)]
    #[schema(as = LimitRequest)]
    pub struct LimitRequest {
        /// The most tasks at once; 0 holds all of them back.
        #[schema(example = 4)]
        most: u32 = "most" within MOST,
    }
}

object! {
    /// Body of a call that pauses; it may be left out.
    #[derive(ToSchema)]
    #[schema(as = PauseRequest)]
    pub struct PauseRequest {
        /// Name of the caller, which jobs that wait and `GET /v1/admin/queues` show; at most 200
        /// bytes.
        #[schema(example = "ann@laptop")]
        by: Option<String> = "by" within BY,
    }
}

fn one_line(name: &str) -> Result<(), String> {
    match name.chars().any(char::is_control) {
        true => Err("holds control characters: give a short line".to_owned()),
        false => Ok(()),
    }
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Limit)]
pub struct LimitShape {
    /// `tenant`, `kind` or `provider`.
    scope: &'static str,
    /// Name of the tenant, kind or provider; `*` is each tenant without a limit of its own.
    name: String,
    /// The most tasks queued or running at once.
    most: u32,
    /// The kinds that are counted; empty means all.
    kinds: Vec<String>,
}

impl From<Limit> for LimitShape {
    fn from(limit: Limit) -> Self {
        Self { scope: limit.scope.as_str(), name: limit.name, most: limit.most, kinds: limit.kinds }
    }
}

/// All limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Limits {
    /// By scope and name.
    pub limits: Vec<LimitShape>,
}

/// A queue or a tenant after it was paused or resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct PauseState {
    /// Set while nothing new of it starts.
    pub paused: bool,
    /// `true` if there was something to do: for a pause, the tenant has a job (a queue always
    /// matches); for a resume, it was paused.
    pub matched: bool,
}

/// State of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Queue)]
pub struct QueueShape {
    /// `render`, `generate` or `light`.
    queue: &'static str,
    /// Set while the queue is paused.
    paused: bool,
    /// Tasks that could run and are not queued yet; counted up to a bound.
    waiting: u64,
    /// Tasks that are queued for a worker.
    queued: u64,
    /// Running tasks.
    running: u64,
    /// Slots of the live workers.
    slots: u64,
    /// Live workers that have slots for this queue.
    workers: u64,
    /// Milliseconds that the oldest waiting task has waited.
    oldest_ms: u64,
    /// Median run time of the latest successful attempts, in milliseconds.
    median_ms: Option<u64>,
}

impl QueueShape {
    /// Builds it from the queue's demand.
    pub fn of(queue: Queue, demand: &Demand) -> Self {
        Self {
            queue: queue.as_str(),
            paused: demand.paused,
            waiting: demand.waiting.saturating_sub(demand.queued),
            queued: demand.queued,
            running: demand.running,
            slots: demand.slots,
            workers: demand.workers,
            oldest_ms: demand.oldest_ms,
            median_ms: demand.median_ms,
        }
    }
}

/// All queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queues {
    /// One entry for each queue.
    pub queues: Vec<QueueShape>,
    /// The pauses of queues and tenants.
    pub pauses: Vec<PauseShape>,
    /// The failure of the broker, while no task message gets through.
    pub broker: Option<BrokerShape>,
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseShape {
    /// `queue` or `tenant`.
    scope: &'static str,
    /// Name of the queue or tenant.
    name: String,
    /// Time of the pause.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// The name that its caller gave.
    by: Option<String>,
}

impl From<Pause> for PauseShape {
    fn from(Pause { target, since, by }: Pause) -> Self {
        let (scope, name) = target.scope_and_name();
        Self { scope, name: name.to_owned(), since, by }
    }
}

/// A failure of the broker, as this server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BrokerFailure)]
pub struct BrokerShape {
    /// Time from which no task message got through.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// The error.
    detail: String,
}

impl From<BrokerAway> for BrokerShape {
    fn from(BrokerAway { since, detail }: BrokerAway) -> Self {
        Self { since, detail }
    }
}

/// Slots of a worker for a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Slots)]
pub struct SlotsShape {
    /// `render`, `generate` or `light`.
    queue: &'static str,
    /// Attempts side by side.
    slots: u32,
}

/// A running task.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunShape {
    /// The task's id.
    task: String,
    /// Its job's id.
    job: String,
    /// Its tenant.
    tenant: String,
    /// Its name in the plan.
    name: String,
    /// Its kind.
    kind: String,
    /// Its queue.
    queue: &'static str,
    /// The attempt's number.
    attempt: u16,
    /// When the attempt began.
    started_at: String,
    /// Progress, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<f64>,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Worker)]
pub struct WorkerShape {
    /// Its id, new at every start of the process.
    id: String,
    /// Its host and process.
    name: String,
    /// Its slots, by queue.
    slots: Vec<SlotsShape>,
    /// Set while it drains.
    draining: bool,
    /// Time of its last heartbeat.
    seen_at: String,
    /// Its running tasks, the longest first.
    runs: Vec<RunShape>,
}

impl From<RunningTask> for RunShape {
    fn from(run: RunningTask) -> Self {
        Self {
            task: run.task.to_string(),
            job: run.job.to_string(),
            tenant: run.tenant.0,
            name: run.name,
            kind: run.kind,
            queue: run.queue.as_str(),
            attempt: run.attempt,
            started_at: run.started_at.to_string(),
            progress: run.progress.map(|progress| progress.value),
        }
    }
}

impl From<LiveWorker> for WorkerShape {
    fn from(worker: LiveWorker) -> Self {
        let slots = worker
            .slots
            .into_iter()
            .map(|(queue, slots)| SlotsShape { queue: queue.as_str(), slots });
        Self {
            id: worker.worker.to_string(),
            name: worker.name,
            slots: slots.collect(),
            draining: worker.draining,
            seen_at: worker.seen_at.to_string(),
            runs: worker.runs.into_iter().map(RunShape::from).collect(),
        }
    }
}

/// The live workers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Workers {
    /// By name.
    pub workers: Vec<WorkerShape>,
}
