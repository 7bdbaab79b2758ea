//! A task of a job's plan, as a client sees it.

use common::{
    id::{JobId, TaskId, WorkerId},
    queue::Queue,
    rules::lifecycle::TaskState,
    view::{FailedAttempt, TaskView},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ErrorShape, words};

/// One task of a job's plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    id: TaskId,
    /// Its job.
    #[schema(value_type = String, format = Uuid)]
    job_id: JobId,
    /// Unique among the tasks that were planned together.
    name: String,
    /// The task's kind.
    kind: String,
    /// The task's queue.
    #[schema(schema_with = queue_schema)]
    queue: Queue,
    /// The task's state.
    #[schema(schema_with = state_schema)]
    state: TaskState,
    /// The tasks it waits for or waited for.
    #[schema(value_type = Vec<String>)]
    needs: Vec<TaskId>,
    /// Attempts begun.
    attempts: u16,
    /// Workers that died with it.
    losses: u16,
    /// Set if a memo or another task's run answered it.
    cached: bool,
    /// 0 to 1, while it runs and reports progress.
    progress: Option<f64>,
    /// The worker that runs it or ran it last.
    #[schema(value_type = Option<String>, format = Uuid)]
    worker: Option<WorkerId>,
    /// Its last error.
    error: Option<ErrorShape>,
    /// The last lines of the failed run's log.
    log: Option<String>,
    /// Every failed attempt, the first one first.
    errors: Vec<FailedAttemptShape>,
    /// When it was planned.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When its last attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    /// When it settled.
    #[schema(value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
}

impl From<TaskView> for Task {
    fn from(view: TaskView) -> Self {
        let log = view.error.as_ref().and_then(|error| error.log.clone());
        Self {
            id: view.id,
            job_id: view.job,
            name: view.name,
            kind: view.kind,
            queue: view.queue,
            state: view.state,
            needs: view.needs,
            attempts: view.attempts,
            losses: view.losses,
            cached: view.cached,
            progress: view.progress.map(|progress| progress.value),
            worker: view.worker,
            error: view.error.map(ErrorShape::from),
            log,
            errors: view.errors.into_iter().map(FailedAttemptShape::from).collect(),
            created_at: view.created_at,
            started_at: view.started_at,
            finished_at: view.finished_at,
        }
    }
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FailedAttempt)]
pub struct FailedAttemptShape {
    /// Its number; 0 where the task failed before any attempt.
    attempt: u16,
    /// The worker that ran it.
    #[schema(value_type = Option<String>, format = Uuid)]
    worker: Option<WorkerId>,
    /// When it failed.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Its error.
    error: ErrorShape,
    /// The last lines of its log.
    log: Option<String>,
}

impl From<FailedAttempt> for FailedAttemptShape {
    fn from(failure: FailedAttempt) -> Self {
        let log = failure.error.log.clone();
        Self {
            attempt: failure.attempt,
            worker: failure.worker,
            at: failure.at,
            error: failure.error.into(),
            log,
        }
    }
}

/// A job's plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Plan {
    /// In the order in which they were planned.
    pub tasks: Vec<Task>,
}

fn queue_schema() -> utoipa::openapi::Object {
    words("The pool of workers that run it.", Queue::ALL.map(Queue::as_str))
}

fn state_schema() -> utoipa::openapi::Object {
    words("The state of the task.", TaskState::ALL.map(TaskState::as_str))
}
