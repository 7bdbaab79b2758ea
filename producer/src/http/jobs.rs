//! Jobs: submit, read, list, cancel, retry.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use common::{
    id::JobId,
    rules::lifecycle::JobStatus,
    store::{JobFilter, Target},
    submission::Work,
};
use tokio::time::Instant;

use super::{
    Api,
    answer::Document,
    body::{JsonBody, NoBody, apart},
    caller::Caller,
    idempotency,
    path::Path,
    problem::{Problem, ProblemDocument, What},
    query::{Params, refused},
    refusals::{BadParameter, Missing, NotWork},
    shape::job::{Job, JobPage},
    trace,
};
use crate::submit::{plan::Planner, request::JobRequest};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Submits a job. The answer comes when the job is stored: from then on it is never lost.
#[utoipa::path(
    post, path = "/v1/jobs", operation_id = "submitJob", tag = "jobs", request_body = JobRequest,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body answer the same again, for 24 hours, and make no second job."),
        ("traceparent" = Option<String>, Header, description = "The trace that the call belongs to (W3C Trace Context): the job's task messages carry it, and what workers log of it."),
    ),
    responses(
        (status = 202, body = Job, description = "Accepted. `Location` names it; `Retry-After` says when to look first."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "Refused; every fault is in `errors`."),
        NotWork,
    )
)]
pub async fn post(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let begun = Instant::now();
    api.admit_work()?;
    let key = idempotency::Key::read(&headers, "POST /v1/jobs", &body.document)?;
    let (now, catalog) = (api.now(), Arc::clone(&api.catalog));
    let job =
        apart(body.length, move || Planner { catalog: &catalog, now }.job(body.document)).await??;
    let job = job.traced(trace::of(&headers));
    let answer = Document::of(&Job::of_new(&job, now))?;
    let (location, kind) = (format!("/v1/jobs/{}", job.id), job.kind.clone());
    let response =
        idempotency::submit(&api, caller.tenant, key, Work::Job(job), answer, location).await?;
    api.metrics.accept.with_label_values(&[kind.as_str()]).observe(begun.elapsed().as_secs_f64());
    Ok(response)
}

/// Shows a job; with `wait`, once its status has changed.
#[utoipa::path(
    get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(
        ("id" = String, Path, description = "The job's id."),
        ("wait" = Option<u64>, Query, description = "Seconds to hold the answer, at most 25: until the next change of status, unless the job is final or `If-None-Match` no longer matches. `Prefer: wait=25` says the same."),
        ("fields" = Option<String>, Query, description = "Only these members, such as `id,status,result.url`."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already."),
    ),
    responses(
        (status = 200, body = Job),
        (status = 304, description = "As it was known."),
        Missing,
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "The store is away."),
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (wanted, wait) = (params.fields(), params.wait(&headers)?);
    let job = parse(&id)?;
    let present = |view| Job::of_view(view, &api.links(&caller));
    let view = api.reader.job(&caller.tenant, job).await?.ok_or_else(|| missing(&id))?;
    let seen = view.status;
    let mut document = Document::cut(&present(view), &wanted)?;
    let news = headers.contains_key(header::IF_NONE_MATCH) && !document.is_known(&headers);
    let held = wait.filter(|_| !seen.is_final() && !news);
    if let Some(patience) = held {
        let view = api
            .reader
            .past(&caller.tenant, job, seen, patience)
            .await?
            .ok_or_else(|| missing(&id))?;
        document = Document::cut(&present(view), &wanted)?;
    }
    let mut response = document.conditional(&headers);
    if let Some(wait) = wait
        && params.text("wait").is_none()
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(
        ("status" = Option<String>, Query, description = "Only `queued`, `running`, `succeeded`, `failed` or `cancelled` ones."),
        ("kind" = Option<String>, Query, description = "Only of this kind."),
        ("tag" = Option<String>, Query, description = "Only with this tag."),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "How many, 20 unless said, at most 100."),
        ("fields" = Option<String>, Query, description = "Only these members of each job."),
    ),
    responses(
        (status = 200, body = JobPage),
        BadParameter,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
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
    let after =
        params.parsed::<JobId>("cursor", "a cursor: give `nextCursor` of the page before")?;
    let page = api.store.list(&caller.tenant, &filter, after, params.limit()?).await?;
    let links = api.links(&caller);
    let jobs = page.items.into_iter().map(|view| Job::of_view(view, &links)).collect();
    let page = JobPage { jobs, next_cursor: page.next };
    Ok(Document::cut(&page, &params.fields().in_page("jobs"))?.with_status(StatusCode::OK))
}

/// Cancels a job: at once if none of it runs, otherwise as soon as its worker stops. A final job
/// stays as it is.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 200, body = Job, description = "It is final."),
        (status = 202, body = Job, description = "It runs and was asked to stop."),
        Missing,
    )
)]
pub async fn cancel(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let job = parse(&id)?;
    api.changer
        .cancel(caller.tenant.clone(), Target::Job(job))
        .await?
        .ok_or_else(|| missing(&id))?;
    let job = stored(&api, &caller, job, &id).await?;
    let status = if job.status().is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(Document::of(&job)?.with_status(status))
}

/// Retries the failed and cancelled work of a final job.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/retry", operation_id = "retryJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 202, body = Job, description = "It runs again."),
        Missing,
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "It is not final, or it succeeded."),
    )
)]
pub async fn retry(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let job = parse(&id)?;
    let again = api
        .changer
        .retry(caller.tenant.clone(), Target::Job(job))
        .await?
        .ok_or_else(|| missing(&id))?;
    if again == 0 {
        let detail = format!(
            "job `{id}` is not final yet, or it succeeded: only what failed or was cancelled is retried"
        );
        return Err(Problem::new(What::NothingToRetry, detail));
    }
    let job = stored(&api, &caller, job, &id).await?;
    Ok(Document::of(&job)?.with_status(StatusCode::ACCEPTED))
}

/// Reads the job from the store: the view cache may not have the write just made.
async fn stored(api: &Api, caller: &Caller, job: JobId, id: &str) -> Result<Job, Problem> {
    let views = api.store.jobs(&caller.tenant, &[job]).await?;
    let view = views.into_iter().next().flatten().ok_or_else(|| missing(id))?;
    Ok(Job::of_view(view, &api.links(caller)))
}

/// Parses an id; a malformed one gets the same 404 as an unknown one.
pub fn parse(id: &str) -> Result<JobId, Problem> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found("job", id)
}
