//! Schedules: create, read, change, pause, resume, delete.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{id::ScheduleId, store::Schedule};
use serde_json::{Value, json};

use super::{
    Api,
    answer::Document,
    body::{JsonBody, NoBody},
    caller::Caller,
    idempotency,
    path::Path,
    problem::{Problem, ProblemDocument, What},
    query::Params,
    refusals::{BadParameter, Missing},
    shape::schedule::{SchedulePage, ScheduleShape},
};
use crate::submit::schedule::{ScheduleRequest, Scheduling, same_request};

/// Tries of a change that meets another: the schedule fired or was changed meanwhile.
const TRIES: usize = 10;

/// Creates a schedule: from now on its job is posted each time it is due, once, however many
/// servers run.
#[utoipa::path(
    post, path = "/v1/schedules", operation_id = "createSchedule", tag = "schedules", request_body = ScheduleRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body name the same schedule, for as long as that is there.")),
    responses(
        (status = 201, body = ScheduleShape, description = "Made. `Location` names it."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "Refused; every fault is in `errors`."),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "The store is away."),
    )
)]
pub async fn post(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = idempotency::Key::read(&headers, "POST /v1/schedules", &body.document)?;
    let id = key
        .as_ref()
        .map_or_else(ScheduleId::new, |key| ScheduleId::of_call(&caller.tenant, key.name()));
    let mut schedule = scheduling(&api).new_schedule(id, caller.tenant.clone(), body.document)?;
    if !api.store.create_schedule(&schedule).await? {
        let before = stored(&api, &caller, id, &id.to_string()).await?;
        if !same_request(&before, &schedule) {
            let detail = "`Idempotency-Key` was used for another schedule, or that has been changed since: use a new key";
            return Err(Problem::new(What::IdempotencyKeyReused, detail));
        }
        schedule = before;
    }
    let mut response = answer(schedule, StatusCode::CREATED)?;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/schedules/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Lists schedules, newest first.
#[utoipa::path(
    get, path = "/v1/schedules", operation_id = "listSchedules", tag = "schedules",
    params(
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "How many, 20 unless said, at most 100."),
        ("fields" = Option<String>, Query, description = "Only these members of each schedule."),
    ),
    responses(
        (status = 200, body = SchedulePage),
        BadParameter,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let after =
        params.parsed::<ScheduleId>("cursor", "a cursor: give `nextCursor` of the page before")?;
    let page = api.store.schedules(&caller.tenant, after, params.limit()?).await?;
    let schedules = page.items.into_iter().map(ScheduleShape::from).collect();
    let page = SchedulePage { schedules, next_cursor: page.next };
    Ok(Document::cut(&page, &params.fields().in_page("schedules"))?.with_status(StatusCode::OK))
}

/// Shows a schedule.
#[utoipa::path(
    get, path = "/v1/schedules/{id}", operation_id = "getSchedule", tag = "schedules",
    params(("id" = String, Path, description = "The schedule's id.")),
    responses(
        (status = 200, body = ScheduleShape),
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
    let schedule = stored(&api, &caller, parse(&id)?, &id).await?;
    Ok(Document::cut(&ScheduleShape::from(schedule), &params.fields())?.conditional(&headers))
}

/// Changes a schedule: the given members are replaced, and `null` removes one. The next due time is
/// computed again if it depends on them.
#[utoipa::path(
    patch, path = "/v1/schedules/{id}", operation_id = "changeSchedule", tag = "schedules", request_body = Object,
    params(("id" = String, Path, description = "The schedule's id.")),
    responses(
        (status = 200, body = ScheduleShape),
        Missing,
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "Refused; nothing was changed."),
    )
)]
pub async fn patch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Response, Problem> {
    change(&api, &caller, &id, &body.document).await
}

/// Pauses a schedule: it is not due until it is resumed.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", operation_id = "pauseSchedule", tag = "schedules",
    params(("id" = String, Path, description = "The schedule's id.")),
    responses(
        (status = 200, body = ScheduleShape),
        Missing,
    )
)]
pub async fn pause(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    change(&api, &caller, &id, &json!({"paused": true})).await
}

/// Resumes a schedule from now on; due times while it was paused are not made up for.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", operation_id = "resumeSchedule", tag = "schedules",
    params(("id" = String, Path, description = "The schedule's id.")),
    responses(
        (status = 200, body = ScheduleShape),
        Missing,
    )
)]
pub async fn resume(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    change(&api, &caller, &id, &json!({"paused": false})).await
}

/// Deletes a schedule. Its jobs stay, and go on.
#[utoipa::path(
    delete, path = "/v1/schedules/{id}", operation_id = "deleteSchedule", tag = "schedules",
    params(("id" = String, Path, description = "The schedule's id.")),
    responses(
        (status = 204, description = "It is gone."),
        Missing,
    )
)]
pub async fn delete(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    match api.store.delete_schedule(&caller.tenant, parse(&id)?).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(missing(&id)),
    }
}

async fn change(
    api: &Api,
    caller: &Caller,
    id: &str,
    changes: &Value,
) -> Result<Response, Problem> {
    let schedule = parse(id)?;
    for _ in 0..TRIES {
        let mut changed =
            scheduling(api).changed(&stored(api, caller, schedule, id).await?, changes.clone())?;
        if api.store.change_schedule(&changed).await? {
            changed.revision += 1;
            return answer(changed, StatusCode::OK);
        }
    }
    Err(Problem::new(
        What::Unavailable,
        format!("schedule `{id}` was changed by others all the time: try again"),
    ))
}

fn scheduling(api: &Api) -> Scheduling<'_> {
    Scheduling { catalog: &api.catalog, now: api.now() }
}

fn answer(schedule: Schedule, status: StatusCode) -> Result<Response, Problem> {
    Ok(Document::of(&ScheduleShape::from(schedule))?.with_status(status))
}

async fn stored(
    api: &Api,
    caller: &Caller,
    schedule: ScheduleId,
    id: &str,
) -> Result<Schedule, Problem> {
    api.store.schedule(&caller.tenant, schedule).await?.ok_or_else(|| missing(id))
}

fn parse(id: &str) -> Result<ScheduleId, Problem> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found("schedule", id)
}
