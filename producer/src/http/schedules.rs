//! Schedules: create, read, change, pause, resume, delete.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use common::{id::ScheduleId, view::Page};
use serde_json::{Value, json};

use super::{
    answer::Document,
    body::{JsonBody, NoBody},
    caller::Caller,
    lists,
    parameters::{PageParams, ReadParams},
    path::{Id, missing},
    problem::Problem,
    responses::{ChangeAnswers, ListAnswers, NamedAnswers, PostAnswers, ReadAnswers},
    shape::schedule::{SchedulePage, ScheduleShape},
    state::Api,
};
use crate::submit::{calls::SubmitCall, schedule::ScheduleRequest};

/// Creates a schedule: from now on its job is posted each time it is due, once, however many
/// servers run.
#[utoipa::path(
    post, path = "/v1/schedules", operation_id = "createSchedule", tag = "schedules",
    request_body = ScheduleRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body name \
        the same schedule, for as long as that is there.")),
    responses(
        (status = 201, body = ScheduleShape, description = "Created. `Location` names it."),
        PostAnswers,
    )
)]
pub async fn post(State(api): State<Arc<Api>>, call: SubmitCall) -> Result<Response, Problem> {
    let schedule = api.submit.schedule(call).await?;
    let location = HeaderValue::from_str(&format!("/v1/schedules/{}", schedule.id));
    let created = Document::of(&ScheduleShape::from(schedule))?;
    let mut response = created.with_status(StatusCode::CREATED);
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Lists schedules, newest first.
#[utoipa::path(
    get, path = "/v1/schedules", operation_id = "listSchedules", tag = "schedules",
    params(PageParams),
    responses(
        (status = 200, content(
            (SchedulePage = "application/json"), (ScheduleShape = "application/x-ndjson"),
        )),
        ListAnswers,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    page: PageParams,
) -> Result<Response, Problem> {
    let read = move |after, most| {
        let (api, tenant) = (Arc::clone(&api), caller.tenant.clone());
        async move { Ok(api.store.schedules(&tenant, after, most).await?.map(ScheduleShape::from)) }
    };
    let document =
        |page: Page<ScheduleShape>| SchedulePage { schedules: page.items, next_cursor: page.next };
    lists::answer(&page, "schedules", read, document).await
}

/// Shows a schedule.
#[utoipa::path(
    get, path = "/v1/schedules/{id}", operation_id = "getSchedule", tag = "schedules",
    params(Id<ScheduleId>, ReadParams),
    responses((status = 200, body = ScheduleShape), ReadAnswers)
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
    read: ReadParams,
) -> Result<Response, Problem> {
    let schedule = api.store.schedule(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    read.answer(&ScheduleShape::from(schedule))
}

/// Changes a schedule: the given members are replaced, and `null` removes one. The next due time is
/// computed again if it depends on them.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", operation_id = "changeSchedule", tag = "schedules",
    request_body = Object, params(Id<ScheduleId>),
    responses((status = 200, body = ScheduleShape), ChangeAnswers)
)]
pub async fn patch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    change(&api, &caller, id, &body.document).await
}

/// Pauses a schedule: it is not due until it is resumed.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", operation_id = "pauseSchedule", tag = "schedules",
    params(Id<ScheduleId>),
    responses((status = 200, body = ScheduleShape), NamedAnswers)
)]
pub async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
    _: NoBody,
) -> Result<Response, Problem> {
    change(&api, &caller, id, &json!({"paused": true})).await
}

/// Resumes a schedule from now on; due times while it was paused are not made up for.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", operation_id = "resumeSchedule", tag = "schedules",
    params(Id<ScheduleId>),
    responses((status = 200, body = ScheduleShape), NamedAnswers)
)]
pub async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
    _: NoBody,
) -> Result<Response, Problem> {
    change(&api, &caller, id, &json!({"paused": false})).await
}

/// Deletes a schedule. Its jobs stay, and go on.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", operation_id = "deleteSchedule", tag = "schedules",
    params(Id<ScheduleId>),
    responses((status = 204, description = "It is gone."), NamedAnswers)
)]
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
) -> Result<StatusCode, Problem> {
    let deleted = api.store.delete_schedule(&caller.tenant, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(missing(&id)) }
}

async fn change(
    api: &Api,
    caller: &Caller,
    id: ScheduleId,
    changes: &Value,
) -> Result<Response, Problem> {
    let changed = api.submit.change_schedule(&caller.tenant, id, changes).await?;
    let shape = ScheduleShape::from(changed.ok_or_else(|| missing(&id))?);
    Ok(Document::of(&shape)?.with_status(StatusCode::OK))
}
