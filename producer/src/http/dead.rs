//! Dead work: read, and retried one by one or all that match.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use common::{
    error::{ErrorClass, JobError},
    id::{JobId, TaskId},
    limits::MAX_PAGE,
    rules::lifecycle::{JobStatus, TaskState},
    store::{DeadFilter, Target},
};
use jiff::Timestamp;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Api,
    answer::Document,
    body::{JsonBody, NoBody},
    caller::Caller,
    path::Path,
    problem::{Problem, ProblemDocument, What},
    query::{Params, refused},
    refusals::BadParameter,
    shape::{
        dead::{DeadPage, Replayed},
        job::Job,
        task::Task,
    },
};
use crate::submit::{
    fields::{Fields, describe, text},
    request::timestamp,
};

/// The most jobs that one call retries: seconds of work, within any client's timeout.
const REPLAYED_AT_ONCE: usize = 1_000;

/// Lists tasks that failed for good, each with every attempt that failed.
#[utoipa::path(
    get, path = "/v1/admin/dead", operation_id = "listDead", tag = "dead work",
    params(
        ("kind" = Option<String>, Query, description = "Only tasks of this kind."),
        ("class" = Option<String>, Query, description = "Only with a last error of class `caller`, `transient`, `permanent` or `bug`."),
        ("code" = Option<String>, Query, description = "Only with a last error of this code, such as `timeout` or `poison`."),
        ("since" = Option<String>, Query, description = "Only what failed at this time (RFC 3339) or later."),
        ("until" = Option<String>, Query, description = "Only what failed before this time."),
        ("cursor" = Option<String>, Query, description = "`nextCursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "How many, 20 unless said, at most 100."),
        ("fields" = Option<String>, Query, description = "Only these members of each task."),
    ),
    responses(
        (status = 200, body = DeadPage),
        BadParameter,
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    params: Params,
) -> Result<Response, Problem> {
    let time = "a time such as `2026-01-31T12:00:00Z`";
    let class = params.text("class").map(|word| {
        ErrorClass::parse(word)
            .ok_or_else(|| refused("class", word, "one of caller, transient, permanent, bug"))
    });
    let filter = DeadFilter {
        kind: params.word("kind")?,
        class: class.transpose()?,
        code: params.word("code")?,
        since: params.parsed("since", time)?,
        until: params.parsed("until", time)?,
    };
    let after =
        params.parsed::<TaskId>("cursor", "a cursor: give `nextCursor` of the page before")?;
    let page = api.store.dead(&caller.tenant, &filter, after, params.limit()?).await?;
    let dead_letters = api.broker.dead_letters().await.ok();
    let tasks = page.items.into_iter().map(Task::from).collect();
    let page = DeadPage { tasks, next_cursor: page.next, dead_letters };
    Ok(Document::cut(&page, &params.fields().in_page("tasks"))?.with_status(StatusCode::OK))
}

/// Shows a task that failed for good.
#[utoipa::path(
    get, path = "/v1/admin/dead/{task}", operation_id = "getDead", tag = "dead work",
    params(("task" = String, Path, description = "The task's id.")),
    responses(
        (status = 200, body = Task),
        (status = 304, description = "As it was known."),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "No task, or not a failed one."),
    )
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (task, _) = dead_task(&api, &caller, &id).await?;
    Ok(Document::cut(&task, &params.fields())?.conditional(&headers))
}

/// Retries the job of a task that failed for good.
#[utoipa::path(
    post, path = "/v1/admin/dead/{task}/replay", operation_id = "replayDead", tag = "dead work",
    params(("task" = String, Path, description = "The task's id.")),
    responses(
        (status = 202, body = Job, description = "The job runs again."),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "No task, or not a failed one."),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json", description = "Its job did not fail, or runs again already."),
    )
)]
pub async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoBody,
) -> Result<Response, Problem> {
    let (_, job) = dead_task(&api, &caller, &id).await?;
    let nothing = || {
        Problem::new(
            What::NothingToRetry,
            format!("the job of task `{id}` did not fail, or runs again already"),
        )
    };
    if job_status(&api, &caller, job).await? != Some(JobStatus::Failed)
        || api.changer.retry(caller.tenant.clone(), Target::Job(job)).await? != Some(1)
    {
        return Err(nothing());
    }
    let views = api.store.jobs(&caller.tenant, &[job]).await?;
    let view = views.into_iter().next().flatten().ok_or_else(nothing)?;
    Ok(Document::of(&Job::of_view(view, &api.links(&caller)))?.with_status(StatusCode::ACCEPTED))
}

/// Filter of the dead work to retry.
#[derive(Debug, Clone, Default, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ReplayRequest {
    /// Only tasks of this kind.
    pub kind: Option<String>,
    /// Only with a last error of class `caller`, `transient`, `permanent` or `bug`.
    #[schema(value_type = Option<String>)]
    pub class: Option<ErrorClass>,
    /// Only with a last error of this code.
    pub code: Option<String>,
    /// Only tasks that failed at this time or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Only tasks that failed before this time; by default the time of the call, so that a task
    /// that fails again is not retried for ever.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// `nextCursor` of the previous call.
    #[schema(value_type = Option<String>)]
    pub cursor: Option<TaskId>,
}

impl ReplayRequest {
    fn read(document: Value) -> Result<Self, JobError> {
        let mut fields = Fields::open("a filter", document);
        let request = Self {
            kind: fields.optional("kind", word),
            class: fields.optional("class", class),
            code: fields.optional("code", word),
            since: fields.optional("since", timestamp),
            until: fields.optional("until", timestamp),
            cursor: fields.optional("cursor", cursor),
        };
        let faults = fields.close();
        if faults.is_empty() { Ok(request) } else { Err(JobError::refused(faults)) }
    }
}

/// Retries all dead work that matches, a bounded number of jobs in one call.
#[utoipa::path(
    post, path = "/v1/admin/dead/replay", operation_id = "replayAllDead", tag = "dead work", request_body = ReplayRequest,
    responses(
        (status = 202, body = Replayed, description = "So many jobs run again; with a `nextCursor` there may be more."),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json", description = "The filter has faults."),
    )
)]
pub async fn replay_all(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request = ReplayRequest::read(body.document)?;
    let filter = DeadFilter {
        kind: request.kind,
        class: request.class,
        code: request.code,
        since: request.since,
        until: Some(request.until.unwrap_or_else(|| api.now())),
    };
    let mut answer =
        Replayed { replayed: 0, next_cursor: request.cursor.map(|task| task.to_string()) };
    let mut seen = BTreeSet::new();
    loop {
        let after = answer.next_cursor.as_deref().and_then(|cursor| cursor.parse().ok());
        let page = api.store.dead(&caller.tenant, &filter, after, MAX_PAGE as u32).await?;
        // Several dead tasks may belong to one job, which is retried once.
        for job in page.items.iter().map(|task| task.job) {
            if seen.insert(job) {
                answer.replayed +=
                    api.changer.retry(caller.tenant.clone(), Target::Job(job)).await?.unwrap_or(0);
            }
        }
        answer.next_cursor = page.next;
        if answer.next_cursor.is_none() || seen.len() >= REPLAYED_AT_ONCE {
            return Ok(Document::of(&answer)?.with_status(StatusCode::ACCEPTED));
        }
    }
}

/// Reads a failed task and its job.
async fn dead_task(api: &Api, caller: &Caller, id: &str) -> Result<(Task, JobId), Problem> {
    let missing = || Problem::not_found("dead task", id);
    let task: TaskId = id.parse().map_err(|_| missing())?;
    let view =
        api.store.task(&caller.tenant, task).await?.filter(|view| view.state == TaskState::Failed);
    let view = view.ok_or_else(missing)?;
    let job = view.job;
    Ok((Task::from(view), job))
}

async fn job_status(api: &Api, caller: &Caller, job: JobId) -> Result<Option<JobStatus>, Problem> {
    let views = api.store.jobs(&caller.tenant, &[job]).await?;
    Ok(views.into_iter().next().flatten().map(|view| view.status))
}

fn word(value: Value) -> Result<String, String> {
    let word = text(value)?;
    if word.chars().any(char::is_control) {
        return Err("holds control characters: give a word".to_owned());
    }
    Ok(word)
}

fn class(value: Value) -> Result<ErrorClass, String> {
    let word = text(value)?;
    ErrorClass::parse(&word).ok_or_else(|| {
        let words = ErrorClass::ALL.map(ErrorClass::as_str).join("`, `");
        format!("{} is not one of `{words}`", describe(&Value::String(word)))
    })
}

fn cursor(value: Value) -> Result<TaskId, String> {
    let written = text(value)?;
    written.parse().map_err(|_| "is not a cursor: give `nextCursor` of the call before".to_owned())
}
