//! Checks and stills of a composition. Both are jobs that the request waits for, because only
//! workers fetch and draw; a caller that gets 202 follows the job instead.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use common::{
    error::{ErrorClass, JobError, code},
    fault::Fault,
    id::Digest,
    limits::MAX_WAIT,
    port::PortError,
    rules::lifecycle::JobStatus,
    submission::{Submission, Work},
    view::JobView,
};
use composition::kinds::{check, still};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Api,
    answer::Document,
    artifacts,
    body::{JsonBody, apart},
    caller::Caller,
    idempotency,
    problem::{Problem, ProblemDocument, What},
    query::{Params, refused},
    refusals::NotWork,
    shape::{check::Check, job::Job},
};
use crate::submit::plan::Planner;

/// Above the default: a person waits for the answer.
const PRIORITY: u8 = 8;

/// Checks a composition without rendering it: its faults, all at once, or its duration and
/// segments, how much of it is in the cache, and what the rest costs.
#[utoipa::path(
    post, path = "/v1/compositions/check", operation_id = "checkComposition", tag = "compositions",
    request_body(content = Object, description = "A composition, as a `render` job takes it."),
    responses(
        (status = 200, body = Check, description = "What it comes to; with `faults`, what is wrong with it, and nothing else."),
        (status = 202, body = Job, description = "Its sources take long to fetch: follow the job, and ask again."),
        NotWork,
    )
)]
pub async fn look(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let settled = match settled(&api, &caller, check::NAME, body.document, body.length).await {
        Ok(settled) => settled,
        Err(Unmade::Refused(error)) => {
            return answer(&Check::faulty(within(error.errors, "/input")));
        }
        Err(Unmade::Later(response)) => return Ok(*response),
        Err(Unmade::Problem(problem)) => return Err(problem),
    };
    match (settled.status, settled.result, settled.error) {
        (JobStatus::Succeeded, Some(summary), _) => {
            let keys = Check::keys(&summary);
            let found = api.store.have_memos(&caller.tenant, &keys).await?;
            answer(&Check::of(summary, &found))
        }
        (_, _, Some(error)) if error.class == ErrorClass::Caller => {
            let faults = if error.errors.is_empty() {
                vec![Fault::new("", error.detail)]
            } else {
                error.errors
            };
            answer(&Check::faulty(faults))
        }
        (_, _, error) => Err(unmade(error)),
    }
}

/// Renders one frame of a composition.
#[utoipa::path(
    post, path = "/v1/compositions/still", operation_id = "composeStill", tag = "compositions",
    request_body(content = Object, description = "A composition, as a `render` job takes it."),
    params(
        ("t" = Option<f64>, Query, description = "Seconds from the composition's start; 0 unless said."),
        ("format" = Option<String>, Query, description = "`png`, `jpg` or `webp`; png unless said."),
    ),
    responses(
        (status = 200, content_type = "image/png", body = Vec<u8>, description = "The picture."),
        (status = 202, body = Job, description = "It takes long: follow the job, whose result holds the picture."),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json", description = "Not JSON, or a parameter is at fault."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "Refused; every fault is in `errors`."),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "The store is away, or too much waits."),
    )
)]
pub async fn picture(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let input =
        json!({"composition": body.document, "t": moment(&params)?, "format": format(&params)?});
    let settled = match settled(&api, &caller, still::NAME, input, body.length).await {
        Ok(settled) => settled,
        Err(Unmade::Refused(error)) => {
            let errors = within(within(error.errors, "/input"), "/composition");
            return Err(Problem::from(JobError::refused(errors)));
        }
        Err(Unmade::Later(response)) => return Ok(*response),
        Err(Unmade::Problem(problem)) => return Err(problem),
    };
    let picture = settled
        .result
        .as_ref()
        .and_then(|result| result["artifact"].as_str()?.parse::<Digest>().ok());
    match (settled.status, picture, settled.error) {
        (JobStatus::Succeeded, Some(picture), _) => {
            artifacts::serve(&api, &picture, &headers).await
        }
        (_, _, error) => Err(unmade(error)),
    }
}

fn answer(check: &Check) -> Result<Response, Problem> {
    Ok(Document::of(check)?.with_status(StatusCode::OK))
}

/// Reads seconds as text, so that they stay exact.
fn moment(params: &Params) -> Result<Value, Problem> {
    let written = params.text("t").unwrap_or("0");
    let number = serde_json::from_str::<serde_json::Number>(written);
    number.map(Value::Number).map_err(|_| refused("t", written, "seconds, such as 2.5"))
}

fn format(params: &Params) -> Result<&str, Problem> {
    match params.text("format").unwrap_or("png") {
        format @ ("png" | "jpg" | "webp") => Ok(format),
        other => Err(refused("format", other, "one of png, jpg, webp")),
    }
}

/// Why there is no settled job.
enum Unmade {
    Refused(JobError),
    /// It takes longer than a request may: this response names the job to follow.
    Later(Box<Response>),
    Problem(Problem),
}

impl From<Problem> for Unmade {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<PortError> for Unmade {
    fn from(error: PortError) -> Self {
        Self::Problem(error.into())
    }
}

/// Runs a job of `kind` and waits for its end.
async fn settled(
    api: &Arc<Api>,
    caller: &Caller,
    kind: &str,
    input: Value,
    length: usize,
) -> Result<JobView, Unmade> {
    api.admit_work()?;
    let (now, catalog) = (api.now(), Arc::clone(&api.catalog));
    let document = json!({"kind": kind, "input": input, "priority": PRIORITY});
    let planned = apart(length, move || Planner { catalog: &catalog, now }.job(document)).await?;
    let job = planned.map_err(Unmade::Refused)?;
    let (id, posted) = (job.id, Document::of(&Job::of_new(&job, now))?);
    let tenant = &caller.tenant;
    api.submitter
        .submit(Submission { tenant: tenant.clone(), idempotency: None, work: Work::Job(job) })
        .await?;
    let end = Instant::now() + MAX_WAIT;
    let mut seen = JobStatus::Queued;
    loop {
        let patience = end.saturating_duration_since(Instant::now());
        match api.reader.past(tenant, id, seen, patience).await? {
            Some(view) if view.status.is_final() => return Ok(view),
            Some(view) if view.status != seen => seen = view.status,
            _ => {
                return Err(Unmade::Later(Box::new(idempotency::accepted(
                    posted,
                    &format!("/v1/jobs/{id}"),
                ))));
            }
        }
    }
}

/// Rebases faults of a job's document on one of its members.
fn within(faults: Vec<Fault>, prefix: &str) -> Vec<Fault> {
    let seen = |fault: Fault| {
        let pointer = fault
            .pointer
            .strip_prefix(prefix)
            .map_or(fault.pointer.as_str(), |rest| rest)
            .to_owned();
        Fault { pointer, ..fault }
    };
    faults.into_iter().map(seen).collect()
}

/// Turns the error of a job into the answer of the call that waited for it.
fn unmade(error: Option<JobError>) -> Problem {
    let error = error.unwrap_or_else(|| {
        JobError::transient(code::CANCELLED, "it was cancelled meanwhile; ask again")
    });
    match error.class {
        ErrorClass::Caller => Problem::from(error),
        ErrorClass::Transient => Problem::new(What::Unavailable, error.detail),
        ErrorClass::Permanent | ErrorClass::Bug => Problem::new(What::Internal, error.detail),
    }
}
