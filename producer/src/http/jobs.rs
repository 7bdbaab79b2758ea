//! Jobs: submit, read, list, cancel, retry.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use common::{
    id::JobId,
    rules::lifecycle::JobStatus,
    store::{JobFilter, Target},
    view::{Page, WaitingFor},
};

use super::{
    answer::Document,
    body::NoBody,
    caller::Caller,
    job_control, lists,
    parameters::{PageParams, ReadParams},
    path::{Id, missing},
    problem::Problem,
    query::{Params, refused},
    responses::{ListAnswers, NamedAnswers, ReadAnswers, RetryAnswers, SubmitAnswers},
    shape::{
        controls::PauseShape,
        job::{Job, JobPage},
        waiting::Waiting,
    },
    state::Api,
    submission::accepted,
};
use crate::{
    read::full_page::full_page,
    submit::{
        calls::{AnswerOrigin, SubmitCall},
        request::JobRequest,
    },
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Submits a job. The answer comes when the job is stored: from then on it is never lost.
#[utoipa::path(
    post, path = "/v1/jobs", operation_id = "submitJob", tag = "jobs", request_body = JobRequest,
    params(SubmitCall),
    responses(
        (status = 200, body = Job, description = "The job is unique, and this one is the same: \
            it has `existing`. Nothing was stored."),
        (status = 202, body = Job, description = "Accepted. `Location` names it; `Retry-After` \
            says when to look first."),
        SubmitAnswers,
    )
)]
pub async fn post(
    State(api): State<Arc<Api>>,
    caller: Caller,
    call: SubmitCall,
) -> Result<Response, Problem> {
    let render = |job: &_, now| serde_json::to_string(&Job::of_new(job, now));
    let submitted = api.submit.job(call, render).await?;
    if submitted.origin != AnswerOrigin::Existing {
        return Ok(accepted("/v1/jobs", submitted));
    }
    let job = job_control::stored_job(&api, &caller, submitted.id).await?.existing();
    let mut response = Document::of(&job)?.with_status(StatusCode::OK);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/jobs/{}", submitted.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Shows a job; with `wait`, once its status has changed.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(
        Id<JobId>,
        ("wait" = Option<u64>, Query, description = "Seconds to hold the answer, at most 25: \
            until the next change of status, unless the job is final or `If-None-Match` no longer \
            matches. `Prefer: wait=25` says the same."),
        ReadParams,
    ),
    responses((status = 200, body = Job), ReadAnswers)
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<JobId>,
    params: Params,
    read: ReadParams,
) -> Result<Response, Problem> {
    let wait = params.wait(&read.headers)?;
    let view = api.reader.job(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    let seen = view.status;
    let mut document = read.document(&api.job(&caller, view))?;
    let is_news =
        read.headers.contains_key(header::IF_NONE_MATCH) && !document.is_known(&read.headers);
    if let Some(patience) = wait.filter(|_| !seen.is_final() && !is_news) {
        let view = api.reader.past(&caller.tenant, id, seen, patience).await?;
        let view = view.ok_or_else(|| missing(&id))?;
        document = read.document(&api.job(&caller, view))?;
    }
    let mut response = document.conditional(&read.headers);
    if let Some(wait) = wait
        && params.text("wait").is_none()
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

/// Shows why a job waits, its place in its queue and about when it starts.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/waiting", operation_id = "getWaiting", tag = "jobs",
    params(Id<JobId>),
    responses((status = 200, body = Waiting), NamedAnswers)
)]
pub async fn waiting(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<JobId>,
) -> Result<Response, Problem> {
    let view = api.reader.job(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
    let Some(reason) = api.reason(&view) else {
        return Ok(Document::of(&Waiting::default())?.with_status(StatusCode::OK));
    };
    let mut waiting = Waiting::of(reason, api.broker_health.away());
    if let Some(place) = api.store.queue_place(&caller.tenant, id).await? {
        let (demand, now) = (api.store.demand(place.queue).await?, api.submit.clock.now());
        waiting = waiting.at(place, &demand, now);
        if reason == WaitingFor::Paused {
            let pauses = api.store.pauses().await?.into_iter();
            waiting.paused = pauses
                .filter(|pause| pause.target.holds(place.queue, &view.tenant.0))
                .map(PauseShape::from)
                .collect();
        }
    }
    Ok(Document::of(&waiting)?.with_status(StatusCode::OK))
}

/// Lists jobs, newest first; as `application/x-ndjson` all of them, one a line.
#[utoipa::path(
    get, path = "/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(
        ("status" = Option<String>, Query, description = "Only `queued`, `running`, `succeeded`, \
            `failed` or `cancelled` ones."),
        ("kind" = Option<String>, Query, description = "Only of this kind."),
        ("tag" = Option<String>, Query, description = "Only with this tag."),
        PageParams,
    ),
    responses(
        (status = 200, content(
            (JobPage = "application/json"), (Job = "application/x-ndjson"),
        )),
        ListAnswers,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
    page: PageParams,
) -> Result<Response, Problem> {
    let statuses = "one of queued, running, succeeded, failed, cancelled";
    let status = params
        .text("status")
        .map(|text| JobStatus::parse(text).ok_or_else(|| refused("status", text, statuses)));
    let filter = JobFilter {
        status: status.transpose()?,
        kind: params.word("kind")?,
        tag: params.word("tag")?,
    };
    let read = move |after, most| {
        let (api, caller, filter) = (Arc::clone(&api), caller.clone(), filter.clone());
        async move {
            let read = |after, most| api.store.list(&caller.tenant, &filter, after, most);
            let found = full_page(after, most, read).await?;
            Ok(found.map(|view| api.job(&caller, view)))
        }
    };
    let document = |page: Page<Job>| JobPage { jobs: page.items, next_cursor: page.next };
    lists::answer(&page, "jobs", read, document).await
}

/// Cancels a job: at once if none of it runs, otherwise as soon as its worker stops. A final job
/// stays as it is.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(Id<JobId>),
    responses(
        (status = 200, body = Job, description = "It is final."),
        (status = 202, body = Job, description = "It runs and was asked to stop."),
        NamedAnswers,
    )
)]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<JobId>,
    _: NoBody,
) -> Result<Response, Problem> {
    job_control::cancel(&api, &caller, Target::Job(id)).await
}

/// Retries the failed and cancelled work of a final job.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", operation_id = "retryJob", tag = "jobs",
    params(Id<JobId>),
    responses((status = 202, body = Job, description = "It runs again."), RetryAnswers)
)]
pub async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<JobId>,
    _: NoBody,
) -> Result<Response, Problem> {
    job_control::retry(&api, &caller, Target::Job(id)).await
}
