//! The tasks of a job.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::id::{JobId, TaskId};

use super::{
    answer::Document,
    caller::Caller,
    parameters::ReadParams,
    path::{Id, missing},
    problem::Problem,
    responses::{NamedAnswers, ReadAnswers},
    shape::task::{Plan, Task},
    state::Api,
};

/// Lists a job's tasks in the order in which they were planned.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/tasks", operation_id = "listTasks", tag = "tasks",
    params(Id<JobId>),
    responses((status = 200, body = Plan), NamedAnswers)
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Response, Problem> {
    let tasks = api.store.tasks(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    let plan = Plan { tasks: tasks.into_iter().map(Task::from).collect() };
    Ok(Document::of(&plan)?.with_status(StatusCode::OK))
}

/// Shows one task.
#[utoipa::path(
    get, path = "/v1/tasks/{id}", operation_id = "getTask", tag = "tasks",
    params(Id<TaskId>, ReadParams),
    responses((status = 200, body = Task), ReadAnswers)
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<TaskId>,
    read: ReadParams,
) -> Result<Response, Problem> {
    let view = api.store.task(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    read.answer(&Task::from(view))
}
