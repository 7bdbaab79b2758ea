//! Operators' calls: limits, pauses, queues, workers.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::{
    document,
    error::JobError,
    id::TenantId,
    kind::Provider,
    queue::Queue,
    store::{JobFilter, LimitScope, Pausable},
};
use serde_json::Value;

use super::{
    answer::Document,
    body::{JsonBody, NoBody, OptionalBody},
    path::{Id, Path, is_name},
    problem::Problem,
    responses::{ChangeAnswers, NamedAnswers, ReportAnswers},
    shape::controls::{
        BrokerShape, LimitRequest, LimitShape, Limits, PauseRequest, PauseShape, PauseState,
        QueueShape, Queues, Workers,
    },
    state::Api,
};
use crate::controls;

/// Lists the limits.
#[utoipa::path(
    get, path = "/v1/admin/limits", operation_id = "listLimits", tag = "operation",
    responses((status = 200, body = Limits), ReportAnswers)
)]
pub async fn limits(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let limits = api.store.limits().await?.into_iter().map(LimitShape::from).collect();
    Ok(Document::of(&Limits { limits })?.with_status(StatusCode::OK))
}

/// Sets a limit on the tasks queued or running at once. Running tasks are left alone.
#[utoipa::path(
    put, path = "/v1/admin/limits/{scope}/{name}", operation_id = "setLimit", tag = "operation",
    request_body = LimitRequest,
    params(
        ("scope" = String, Path, description = "`tenant`, `kind` or `provider`."),
        ("name" = String, Path, description = "Its name. Tenant `*`: each that has no limit of \
            its own. A provider is `text`, `speech`, `image` or `transcription`, and all kinds \
            that ask it are counted together."),
    ),
    responses((status = 200, body = LimitShape), ChangeAnswers)
)]
pub async fn set_limit(
    State(api): State<Arc<Api>>,
    Path((scope, name)): Path<(String, String)>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let scope = read_scope(&scope)?;
    let most = read_most(&body.document)?;
    if !is_name(&name) {
        return Err(Problem::not_found(scope.as_str(), &name.escape_default().to_string()));
    }
    let limit = controls::limit(&api.catalog, scope, &name, most).ok_or_else(|| match scope {
        LimitScope::Provider => {
            Problem::none_of(scope.as_str(), &name, &Provider::ALL.map(Provider::as_str))
        }
        _ => Problem::not_found(scope.as_str(), &name),
    })?;
    api.store.set_limit(&limit).await?;
    api.job_control.wake(Queue::ALL.to_vec());
    Ok(Document::of(&LimitShape::from(limit))?.with_status(StatusCode::OK))
}

/// Removes a limit.
#[utoipa::path(
    delete, path = "/v1/admin/limits/{scope}/{name}", operation_id = "removeLimit",
    tag = "operation",
    params(
        ("scope" = String, Path, description = "`tenant`, `kind` or `provider`."),
        ("name" = String, Path, description = "The name of the tenant, kind or provider."),
    ),
    responses((status = 204, description = "Removed."), NamedAnswers)
)]
pub async fn unset_limit(
    State(api): State<Arc<Api>>,
    Path((scope, name)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let scope = read_scope(&scope)?;
    if !api.store.unset_limit(scope, &name).await? {
        return Err(Problem::not_found(&format!("limit of {}", scope.as_str()), &name));
    }
    api.job_control.wake(Queue::ALL.to_vec());
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the waiting and running work of each queue, and what is paused.
#[utoipa::path(
    get, path = "/v1/admin/queues", operation_id = "listQueues", tag = "operation",
    responses((status = 200, body = Queues), ReportAnswers)
)]
pub async fn queues(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let mut queues = Vec::new();
    for queue in Queue::ALL {
        queues.push(QueueShape::of(queue, &api.store.demand(queue).await?));
    }
    let pauses = api.store.pauses().await?.into_iter().map(PauseShape::from).collect();
    let broker = api.broker_health.away().map(BrokerShape::from);
    let answer = Queues { queues, pauses, broker };
    Ok(Document::of(&answer)?.with_status(StatusCode::OK))
}

/// Shows the live workers and the tasks they run.
#[utoipa::path(
    get, path = "/v1/admin/workers", operation_id = "listWorkers", tag = "operation",
    responses((status = 200, body = Workers), ReportAnswers)
)]
pub async fn workers(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let workers = api.store.live_workers().await?.into_iter().map(Into::into).collect();
    Ok(Document::of(&Workers { workers })?.with_status(StatusCode::OK))
}

/// Pauses a queue: no more of its tasks are queued, queued tasks go back to ready, running tasks go
/// on.
#[utoipa::path(
    post, path = "/v1/admin/queues/{queue}/pause", operation_id = "pauseQueue", tag = "operation",
    params(Id<Queue>), request_body = Option<PauseRequest>,
    responses(
        (status = 200, body = PauseState, description = "Paused, whether or not it was."),
        ChangeAnswers,
    )
)]
pub async fn pause_queue(
    State(api): State<Arc<Api>>,
    Id(queue): Id<Queue>,
    body: OptionalBody,
) -> Result<Response, Problem> {
    pause(&api, Pausable::Queue(queue), &body).await
}

/// Resumes a queue.
#[utoipa::path(
    post, path = "/v1/admin/queues/{queue}/resume", operation_id = "resumeQueue", tag = "operation",
    params(Id<Queue>),
    responses(
        (status = 200, body = PauseState, description = "Goes on, whether or not it was paused."),
        NamedAnswers,
    )
)]
pub async fn resume_queue(
    State(api): State<Arc<Api>>,
    Id(queue): Id<Queue>,
    _: NoBody,
) -> Result<Response, Problem> {
    resume(&api, Pausable::Queue(queue)).await
}

/// Pauses a tenant: no more of its tasks are queued, queued tasks go back to ready, running tasks
/// go on.
#[utoipa::path(
    post, path = "/v1/admin/tenants/{tenant}/pause", operation_id = "pauseTenant",
    tag = "operation", params(Id<TenantId>), request_body = Option<PauseRequest>,
    responses(
        (status = 200, body = PauseState, description = "Paused, whether or not it was."),
        ChangeAnswers,
    )
)]
pub async fn pause_tenant(
    State(api): State<Arc<Api>>,
    Id(tenant): Id<TenantId>,
    body: OptionalBody,
) -> Result<Response, Problem> {
    pause(&api, Pausable::Tenant(tenant), &body).await
}

/// Resumes a tenant.
#[utoipa::path(
    post, path = "/v1/admin/tenants/{tenant}/resume", operation_id = "resumeTenant",
    tag = "operation", params(Id<TenantId>),
    responses(
        (status = 200, body = PauseState, description = "Goes on, whether or not it was paused."),
        NamedAnswers,
    )
)]
pub async fn resume_tenant(
    State(api): State<Arc<Api>>,
    Id(tenant): Id<TenantId>,
    _: NoBody,
) -> Result<Response, Problem> {
    resume(&api, Pausable::Tenant(tenant)).await
}

async fn pause(api: &Api, target: Pausable, body: &OptionalBody) -> Result<Response, Problem> {
    let PauseRequest { by } = document::read(&body.0).map_err(JobError::refused)?;
    api.store.pause(&target, by.as_deref()).await?;
    // The next round withdraws the credit.
    api.job_control.wake(target.queues());
    let matched = match &target {
        Pausable::Queue(_) => true,
        Pausable::Tenant(tenant) => {
            !api.store.list(tenant, &JobFilter::default(), None, 1).await?.items.is_empty()
        }
    };
    Ok(Document::of(&PauseState { paused: true, matched })?.with_status(StatusCode::OK))
}

async fn resume(api: &Api, target: Pausable) -> Result<Response, Problem> {
    let matched = api.store.resume(&target).await?;
    api.job_control.wake(target.queues());
    Ok(Document::of(&PauseState { paused: false, matched })?.with_status(StatusCode::OK))
}

fn read_scope(word: &str) -> Result<LimitScope, Problem> {
    LimitScope::parse(word).ok_or_else(|| {
        Problem::none_of("scope of limits", word, &LimitScope::ALL.map(LimitScope::as_str))
    })
}

fn read_most(document: &Value) -> Result<u32, Problem> {
    let limit: LimitRequest = document::read(document).map_err(JobError::refused)?;
    Ok(limit.most)
}
