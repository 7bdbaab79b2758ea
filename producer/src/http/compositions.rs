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
    json,
    limits::MAX_WAIT,
    queue::Queue,
    rules::lifecycle::JobStatus,
    view::JobView,
};
use composition::kinds;
use serde_json::{Value, json};

use super::{
    answer::Document,
    artifacts,
    body::JsonBody,
    caller::Caller,
    problem::{Problem, ProblemKind},
    query::{Params, refused},
    responses,
    shape::{
        check::{CompositionCheck, LiveSlots},
        job::Job,
    },
    state::Api,
    submission::accepted,
};
use crate::submit::calls::{SubmitCall, SubmitError};

/// Above the default: a person waits for the answer.
const PRIORITY: u8 = 8;

/// Checks a composition, or a job of kind `render`, `video` or `script`, without making it: its
/// faults, all at once, or its duration and segments, how much of it is in the cache, and what the
/// rest costs in money and time. Nothing is asked of a provider: speech is estimated by its text,
/// and a script that is not written yet by its length.
#[utoipa::path(
    post, path = "/v1/compositions/check", operation_id = "checkComposition", tag = "compositions",
    request_body(content = Object, description = "A composition, as a `render` job takes it, or \
        an object with the `kind` and the `input` of a job."),
    responses(
        (status = 200, body = CompositionCheck, description = "What it comes to; with `faults`, \
            what is wrong with it, and nothing else."),
        (status = 202, body = Job, description = "Its sources take long to fetch: follow the job, \
            and ask again."),
        responses::CheckAnswers,
    )
)]
pub async fn check(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let view = match run(&api, &caller, kinds::check::NAME, body).await {
        Ok(AwaitedJob::Final(view)) => view,
        Ok(AwaitedJob::Accepted(response)) => return Ok(response),
        Err(SubmitError::Refused(error)) => return faulty(within(error.errors, "/input")),
        Err(error) => return Err(error.into()),
    };
    match (view.status, view.result, view.error) {
        (JobStatus::Succeeded, Some(summary), _) => {
            let keys = CompositionCheck::keys(&summary);
            let found = api.store.have_memos(&caller.tenant, &keys).await?;
            let slots = LiveSlots {
                render: api.store.demand(Queue::Render).await?.slots,
                generate: api.store.demand(Queue::Generate).await?.slots,
            };
            let check = CompositionCheck::of(summary, &found, slots);
            Ok(Document::of(&check)?.with_status(StatusCode::OK))
        }
        (_, _, Some(error)) if error.class == ErrorClass::Caller => {
            faulty(if error.errors.is_empty() {
                vec![Fault::new("", error.detail)]
            } else {
                error.errors
            })
        }
        (_, _, error) => Err(failed(error)),
    }
}

/// Renders one frame of a composition.
#[utoipa::path(
    post, path = "/v1/compositions/still", operation_id = "composeStill", tag = "compositions",
    request_body(content = Object, description = "A composition, as a `render` job takes it."),
    params(
        ("t" = Option<f64>, Query, description = "Seconds from the composition's start; 0 unless \
            said."),
        ("format" = Option<String>, Query, description = "`png`, `jpg` or `webp`; png unless \
            said."),
    ),
    responses(
        (status = 200, content_type = "image/png", body = Vec<u8>, description = "The picture."),
        (status = 202, body = Job, description = "It takes long: follow the job, whose result \
            holds the picture."),
        responses::SubmitAnswers,
    )
)]
pub async fn still(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (t, format) = (time(&params)?, format(&params)?);
    let input = json!({"composition": body.document, "t": t, "format": format});
    let body = JsonBody { document: input, ..body };
    let view = match run(&api, &caller, kinds::still::NAME, body).await {
        Ok(AwaitedJob::Final(view)) => view,
        Ok(AwaitedJob::Accepted(response)) => return Ok(response),
        Err(SubmitError::Refused(error)) => {
            let faults = within(within(error.errors, "/input"), "/composition");
            return Err(JobError::refused(faults).into());
        }
        Err(error) => return Err(error.into()),
    };
    let artifact = |result: Value| result["artifact"].as_str()?.parse::<Digest>().ok();
    match (view.status, view.result.and_then(artifact), view.error) {
        (JobStatus::Succeeded, Some(picture), _) => {
            artifacts::serve(&api, &picture, None, &headers).await
        }
        (_, _, error) => Err(failed(error)),
    }
}

fn faulty(faults: Vec<Fault>) -> Result<Response, Problem> {
    Ok(Document::of(&CompositionCheck::faulty(faults))?.with_status(StatusCode::OK))
}

/// Reads seconds as text, so that they stay exact.
fn time(params: &Params) -> Result<Value, Problem> {
    let text = params.text("t").unwrap_or("0");
    let number = json::parse(text).ok().filter(Value::is_number);
    number.ok_or_else(|| refused("t", text, "seconds, such as 2.5"))
}

fn format(params: &Params) -> Result<&str, Problem> {
    match params.text("format").unwrap_or("png") {
        format @ ("png" | "jpg" | "webp") => Ok(format),
        other => Err(refused("format", other, "one of png, jpg, webp")),
    }
}

/// A job that the request waited for.
enum AwaitedJob {
    Final(Box<JobView>),
    /// It takes longer than a request may: this response names the job to follow.
    Accepted(Response),
}

/// Runs a job of `kind` and waits for its end.
async fn run(
    api: &Api,
    caller: &Caller,
    kind: &str,
    body: JsonBody,
) -> Result<AwaitedJob, SubmitError> {
    let tenant = caller.tenant.clone();
    let JsonBody { document: input, length, memory } = body;
    let document = json!({"kind": kind, "input": input, "priority": PRIORITY});
    let call = SubmitCall { tenant, key: None, trace: None, document, length, memory };
    let render = |job: &_, now| serde_json::to_string(&Job::of_new(job, now));
    let submitted = api.submit.job(call, render).await?;
    match api.reader.final_view(&caller.tenant, submitted.id, MAX_WAIT).await? {
        Some(view) => Ok(AwaitedJob::Final(Box::new(view))),
        None => Ok(AwaitedJob::Accepted(accepted("/v1/jobs", submitted))),
    }
}

/// Rebases faults of a job's document on one of its members.
fn within(faults: Vec<Fault>, prefix: &str) -> Vec<Fault> {
    let rebase = |fault: Fault| {
        let pointer = fault.pointer.strip_prefix(prefix).unwrap_or(&fault.pointer).to_owned();
        Fault { pointer, ..fault }
    };
    faults.into_iter().map(rebase).collect()
}

/// Turns the error of a job into the answer of the call that waited for it.
fn failed(error: Option<JobError>) -> Problem {
    let error = error.unwrap_or_else(|| {
        JobError::transient(code::CANCELLED, "it was cancelled meanwhile; ask again")
    });
    match error.class {
        ErrorClass::Caller => Problem::from(error),
        ErrorClass::Transient => Problem::new(ProblemKind::Unavailable, error.detail),
        ErrorClass::Permanent | ErrorClass::Bug => {
            Problem::new(ProblemKind::Internal, error.detail)
        }
    }
}
