//! The tasks of a job.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use common::id::TaskId;

use super::{
    Api,
    answer::Document,
    caller::Caller,
    jobs,
    path::Path,
    problem::Problem,
    query::Params,
    refusals::Missing,
    shape::task::{Plan, Task},
};

/// Lists a job's tasks in the order in which they were planned.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/tasks", operation_id = "listTasks", tag = "tasks",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 200, body = Plan),
        Missing,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let tasks = api.store.tasks(&caller.tenant, jobs::parse(&id)?).await?;
    let tasks = tasks.ok_or_else(|| Problem::not_found("job", &id))?;
    Ok(Document::of(&Plan { tasks: tasks.into_iter().map(Task::from).collect() })?
        .with_status(StatusCode::OK))
}

/// Shows one task.
#[utoipa::path(
    get, path = "/v1/tasks/{id}", operation_id = "getTask", tag = "tasks",
    params(("id" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, body = Task),
        (status = 304, description = "As it was known."),
        Missing,
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("task", &id);
    let task: TaskId = id.parse().map_err(|_| missing())?;
    let task = Task::from(api.store.task(&caller.tenant, task).await?.ok_or_else(missing)?);
    Ok(Document::cut(&task, &params.fields())?.conditional(&headers))
}
