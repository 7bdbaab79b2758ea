//! Dead work: read, and retried one by one or all that match.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use common::{
    document::{self, TextBounds, object},
    error::{ErrorClass, JobError},
    id::{JobId, TaskId},
    rules::lifecycle::{JobStatus, TaskState},
    store::{DeadFilter, Target},
    view::Page,
};
use jiff::Timestamp;
use utoipa::ToSchema;

use super::{
    answer::Document,
    body::{JsonBody, NoBody},
    caller::Caller,
    job_control::{self, stored_job},
    lists,
    parameters::{PageParams, ReadParams},
    path::Id,
    problem::{Problem, ProblemKind},
    query::{Params, refused},
    responses::{ListAnswers, PostAnswers, ReadAnswers, RetryAnswers},
    shape::{
        dead::{DeadPage, Replayed},
        job::Job,
        task::Task,
    },
    state::Api,
};
use crate::read::full_page::full_page;

/// Lists tasks that failed for good, each with every attempt that failed.
#[utoipa::path(
    get, path = "/v1/admin/dead", operation_id = "listDead", tag = "dead work",
    params(
        ("kind" = Option<String>, Query, description = "Only tasks of this kind."),
        ("class" = Option<String>, Query, description = "Only with a last error of class `caller`, \
            `transient`, `permanent` or `bug`."),
        ("code" = Option<String>, Query, description = "Only with a last error of this code, such \
            as `timeout` or `poison`."),
        ("since" = Option<String>, Query, description = "Only tasks that failed at this time \
            (RFC 3339) or later."),
        ("until" = Option<String>, Query, description = "Only tasks that failed before this time."),
        PageParams,
    ),
    responses(
        (status = 200, content(
            (DeadPage = "application/json"), (Task = "application/x-ndjson"),
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
    let dead_letters = api.broker.dead_letters().await.ok();
    let read = move |after, most| {
        let (api, tenant, filter) = (Arc::clone(&api), caller.tenant.clone(), filter.clone());
        async move {
            let read = |after, most| api.store.dead(&tenant, &filter, after, most);
            Ok(full_page(after, most, read).await?.map(Task::from))
        }
    };
    let document =
        |page: Page<Task>| DeadPage { tasks: page.items, next_cursor: page.next, dead_letters };
    lists::answer(&page, "tasks", read, document).await
}

/// Shows a task that failed for good.
#[utoipa::path(
    get, path = "/v1/admin/dead/{task}", operation_id = "getDead", tag = "dead work",
    params(("task" = String, Path, description = "The task's id."), ReadParams),
    responses((status = 200, body = Task), ReadAnswers)
)]
pub async fn get(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<TaskId>,
    read: ReadParams,
) -> Result<Response, Problem> {
    let (task, _) = dead_task(&api, &caller, id).await?;
    read.answer(&task)
}

/// Retries the job of a task that failed for good.
#[utoipa::path(
    post, path = "/v1/admin/dead/{task}/replay", operation_id = "replayDead", tag = "dead work",
    params(("task" = String, Path, description = "The task's id.")),
    responses((status = 202, body = Job, description = "The job runs again."), RetryAnswers)
)]
pub async fn replay(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(id): Id<TaskId>,
    _: NoBody,
) -> Result<Response, Problem> {
    let (_, job) = dead_task(&api, &caller, id).await?;
    if stored_job(&api, &caller, job).await?.status() != JobStatus::Failed {
        let detail = format!("the job of task `{id}` did not fail, or runs again already");
        return Err(Problem::new(ProblemKind::NothingToRetry, detail));
    }
    job_control::retry(&api, &caller, Target::Job(job)).await
}

const WORD: TextBounds = TextBounds::passing(word);
const CURSOR: TextBounds = TextBounds::passing(cursor);

object! {
    /// Filter of the dead work to retry.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct ReplayRequest {
        /// Only tasks of this kind.
        kind: Option<String> = "kind" within WORD,
        /// Only with a last error of class `caller`, `transient`, `permanent` or `bug`.
        #[schema(value_type = Option<String>)]
        class: Option<ErrorClass> = "class",
        /// Only with a last error of this code.
        code: Option<String> = "code" within WORD,
        /// Only tasks that failed at this time or later.
        #[schema(value_type = Option<String>, format = DateTime)]
        since: Option<Timestamp> = "since",
        /// Only tasks that failed before this time; by default the time of the call, so that a task
        /// that fails again is not retried for ever.
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<Timestamp> = "until",
        /// `nextCursor` of the previous call.
        cursor: Option<String> = "cursor" within CURSOR,
    }
}

/// Retries all dead work that matches, a bounded number of jobs in one call.
#[utoipa::path(
    post, path = "/v1/admin/dead/replay", operation_id = "replayAllDead", tag = "dead work",
    request_body = ReplayRequest,
    responses(
        (status = 202, body = Replayed, description = "This many jobs run again; with a \
            `nextCursor` there may be more."),
        PostAnswers,
    )
)]
pub async fn replay_all(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: JsonBody,
) -> Result<Response, Problem> {
    let ReplayRequest { kind, class, code, since, until, cursor } =
        document::read(&body.document).map_err(JobError::refused)?;
    let cursor = cursor.and_then(|cursor: String| cursor.parse().ok());
    let filter = DeadFilter { kind, class, code, since, until };
    let retried = api.job_control.retry_dead(&caller.tenant, filter, cursor).await?;
    let answer = Replayed { replayed: retried.jobs, next_cursor: retried.next };
    Ok(Document::of(&answer)?.with_status(StatusCode::ACCEPTED))
}

/// Reads a failed task and its job.
async fn dead_task(api: &Api, caller: &Caller, id: TaskId) -> Result<(Task, JobId), Problem> {
    let view = api.store.task(&caller.tenant, id).await?;
    let view = view.filter(|view| view.state == TaskState::Failed);
    let view = view.ok_or_else(|| Problem::not_found("dead task", &id.to_string()))?;
    let job = view.job;
    Ok((Task::from(view), job))
}

fn word(word: &str) -> Result<(), String> {
    match word.chars().any(char::is_control) {
        true => Err("holds control characters: give a word".to_owned()),
        false => Ok(()),
    }
}

fn cursor(cursor: &str) -> Result<(), String> {
    let refusal = "is not a cursor: give `nextCursor` of the call before";
    cursor.parse::<TaskId>().map(drop).map_err(|_| refusal.to_owned())
}
