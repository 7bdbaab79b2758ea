//! Operators' calls: limits, pauses, queues, workers.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use common::{
    error::JobError,
    id::TenantId,
    kind::Provider,
    queue::Queue,
    store::{LimitScope, Pausable},
};
use serde_json::Value;

use super::{
    Api,
    answer::Document,
    body::{JsonBody, NoBody},
    path::Path,
    problem::{Problem, ProblemDocument},
    refusals::Missing,
    shape::controls::{LimitRequest, LimitShape, Limits, QueueShape, Queues, Workers},
};
use crate::{
    controls,
    submit::fields::{Fields, whole},
};

/// Long enough for any tenant's name; names are only compared and shown.
const MAX_NAME_BYTES: usize = 200;

/// Lists the limits.
#[utoipa::path(
    get, path = "/v1/admin/limits", operation_id = "listLimits", tag = "operation",
    responses((status = 200, body = Limits))
)]
pub async fn limits(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let limits = api.store.limits().await?.into_iter().map(LimitShape::from).collect();
    Ok(Document::of(&Limits { limits })?.with_status(StatusCode::OK))
}

/// Sets a limit on the tasks queued or running at once. Running tasks are left alone.
#[utoipa::path(
    put, path = "/v1/admin/limits/{scope}/{name}", operation_id = "setLimit", tag = "operation", request_body = LimitRequest,
    params(
        ("scope" = String, Path, description = "`tenant`, `kind` or `provider`."),
        ("name" = String, Path, description = "Which. Tenant `*`: each that has no limit of its own. A provider is `text`, `speech`, `image` or `transcription`, and all kinds that ask it are counted together."),
    ),
    responses(
        (status = 200, body = LimitShape),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "No such scope, kind or provider."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "Refused."),
    )
)]
pub async fn set_limit(
    State(api): State<Arc<Api>>,
    Path((scope, name)): Path<(String, String)>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let scope = read_scope(&scope)?;
    let most = read_most(body.document)?;
    check_name(scope.as_str(), &name)?;
    let limit = controls::limit(&api.catalog, scope, &name, most).ok_or_else(|| match scope {
        LimitScope::Provider => {
            Problem::none_of(scope.as_str(), &name, &Provider::ALL.map(Provider::as_str))
        }
        _ => Problem::not_found(scope.as_str(), &name),
    })?;
    api.store.set_limit(&limit).await?;
    api.changer.wake(Queue::ALL.to_vec());
    Ok(Document::of(&LimitShape::from(limit))?.with_status(StatusCode::OK))
}

/// Removes a limit.
#[utoipa::path(
    delete, path = "/v1/admin/limits/{scope}/{name}", operation_id = "removeLimit", tag = "operation",
    params(
        ("scope" = String, Path, description = "`tenant`, `kind` or `provider`."),
        ("name" = String, Path, description = "Which."),
    ),
    responses(
        (status = 204, description = "Removed."),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "There is none."),
    )
)]
pub async fn unset_limit(
    State(api): State<Arc<Api>>,
    Path((scope, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let scope = read_scope(&scope)?;
    if !api.store.unset_limit(scope, &name).await? {
        return Err(Problem::not_found(&format!("limit of {}", scope.as_str()), &name));
    }
    api.changer.wake(Queue::ALL.to_vec());
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shows the waiting and running work of each queue, and what is paused.
#[utoipa::path(
    get, path = "/v1/admin/queues", operation_id = "listQueues", tag = "operation",
    responses((status = 200, body = Queues))
)]
pub async fn queues(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let mut queues = Vec::new();
    for queue in Queue::ALL {
        queues.push(QueueShape::of(queue, &api.store.demand(queue).await?));
    }
    let paused = api.store.pauses().await?;
    let paused_tenants = paused.into_iter().filter_map(|pause| match pause {
        Pausable::Tenant(tenant) => Some(tenant.0),
        Pausable::Queue(_) => None,
    });
    let answer = Queues { queues, paused_tenants: paused_tenants.collect() };
    Ok(Document::of(&answer)?.with_status(StatusCode::OK))
}

/// Shows the live workers and the tasks they run.
#[utoipa::path(
    get, path = "/v1/admin/workers", operation_id = "listWorkers", tag = "operation",
    responses((status = 200, body = Workers))
)]
pub async fn workers(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let workers = api.store.live_workers().await?.into_iter().map(Into::into).collect();
    Ok(Document::of(&Workers { workers })?.with_status(StatusCode::OK))
}

/// Pauses a queue: no more of its tasks are queued, queued tasks go back to ready, running tasks go
/// on.
#[utoipa::path(
    post, path = "/v1/admin/queues/{queue}/pause", operation_id = "pauseQueue", tag = "operation",
    params(("queue" = String, Path, description = "`render`, `generate` or `light`.")),
    responses(
        (status = 204, description = "Paused, whether or not it was."),
        Missing,
    )
)]
pub async fn pause_queue(
    State(api): State<Arc<Api>>,
    Path(queue): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    pause(&api, Pausable::Queue(read_queue(&queue)?)).await
}

/// Resumes a queue.
#[utoipa::path(
    post, path = "/v1/admin/queues/{queue}/resume", operation_id = "resumeQueue", tag = "operation",
    params(("queue" = String, Path, description = "`render`, `generate` or `light`.")),
    responses(
        (status = 204, description = "Goes on, whether or not it was paused."),
        Missing,
    )
)]
pub async fn resume_queue(
    State(api): State<Arc<Api>>,
    Path(queue): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    resume(&api, Pausable::Queue(read_queue(&queue)?)).await
}

/// Pauses a tenant: no more of its tasks are queued, queued tasks go back to ready, running tasks
/// go on.
#[utoipa::path(
    post, path = "/v1/admin/tenants/{tenant}/pause", operation_id = "pauseTenant", tag = "operation",
    params(("tenant" = String, Path, description = "Its name. It need not have work yet.")),
    responses((status = 204, description = "Paused, whether or not it was."))
)]
pub async fn pause_tenant(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    check_name("tenant", &tenant)?;
    pause(&api, Pausable::Tenant(TenantId(tenant))).await
}

/// Resumes a tenant.
#[utoipa::path(
    post, path = "/v1/admin/tenants/{tenant}/resume", operation_id = "resumeTenant", tag = "operation",
    params(("tenant" = String, Path, description = "Its name.")),
    responses((status = 204, description = "Goes on, whether or not it was paused."))
)]
pub async fn resume_tenant(
    State(api): State<Arc<Api>>,
    Path(tenant): Path<String>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    check_name("tenant", &tenant)?;
    resume(&api, Pausable::Tenant(TenantId(tenant))).await
}

async fn pause(api: &Api, what: Pausable) -> Result<StatusCode, Problem> {
    api.store.pause(&what).await?;
    // The next round withdraws the credit.
    api.changer.wake(what.queues());
    Ok(StatusCode::NO_CONTENT)
}

async fn resume(api: &Api, what: Pausable) -> Result<StatusCode, Problem> {
    api.store.resume(&what).await?;
    api.changer.wake(what.queues());
    Ok(StatusCode::NO_CONTENT)
}

fn read_queue(word: &str) -> Result<Queue, Problem> {
    Queue::parse(word)
        .ok_or_else(|| Problem::none_of("queue", word, &Queue::ALL.map(Queue::as_str)))
}

fn read_scope(word: &str) -> Result<LimitScope, Problem> {
    LimitScope::parse(word).ok_or_else(|| {
        Problem::none_of("scope of limits", word, &LimitScope::ALL.map(LimitScope::as_str))
    })
}

/// Refuses control characters: stores cannot hold a NUL, and nobody could tell such names apart.
fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(Problem::not_found(what, &name.escape_default().to_string()));
    }
    Ok(())
}

fn read_most(document: Value) -> Result<u32, Problem> {
    let mut fields = Fields::open("a limit", document);
    let most = fields.required("most", whole(0, i32::MAX as u64));
    let faults = fields.close();
    match most.and_then(|most| u32::try_from(most).ok()) {
        Some(most) if faults.is_empty() => Ok(most),
        _ => Err(JobError::refused(faults).into()),
    }
}
