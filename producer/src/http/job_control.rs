//! Cancel and retry over HTTP, the same for jobs and batches.

use axum::{http::StatusCode, response::Response};
use common::{id::JobId, store::Target};

use super::{
    answer::Document,
    caller::Caller,
    path::missing,
    problem::{Problem, ProblemKind},
    shape::{batch::Batch, job::Job},
    state::Api,
};

/// Cancels, and answers 200 if nothing of the target runs any more, or else 202.
pub async fn cancel(api: &Api, caller: &Caller, target: Target) -> Result<Response, Problem> {
    api.job_control.cancel(&caller.tenant, target).await?.ok_or_else(|| unknown(target))?;
    let (document, is_final) = stored(api, caller, target).await?;
    let status = if is_final { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(document.with_status(status))
}

/// Retries, and answers 202; 409 if there is nothing to retry.
pub async fn retry(api: &Api, caller: &Caller, target: Target) -> Result<Response, Problem> {
    let again = api.job_control.retry(&caller.tenant, target).await?;
    if again.ok_or_else(|| unknown(target))? == 0 {
        return Err(Problem::new(ProblemKind::NothingToRetry, nothing_to_retry(target)));
    }
    let (document, _) = stored(api, caller, target).await?;
    Ok(document.with_status(StatusCode::ACCEPTED))
}

/// Reads a job from the store: the view cache may not have a write that was just made.
pub async fn stored_job(api: &Api, caller: &Caller, id: JobId) -> Result<Job, Problem> {
    let views = api.store.jobs(&caller.tenant, &[id]).await?;
    let view = views.into_iter().next().flatten().ok_or_else(|| missing(&id))?;
    Ok(api.job(caller, view))
}

/// Reads the target, and whether it is final.
async fn stored(api: &Api, caller: &Caller, target: Target) -> Result<(Document, bool), Problem> {
    match target {
        Target::Job(id) => {
            let job = stored_job(api, caller, id).await?;
            Ok((Document::of(&job)?, job.status().is_final()))
        }
        Target::Batch(id) => {
            let view = api.store.batch(&caller.tenant, id).await?.ok_or_else(|| missing(&id))?;
            let batch = Batch::of_view(&view);
            Ok((Document::of(&batch)?, batch.is_settled()))
        }
    }
}

fn unknown(target: Target) -> Problem {
    match target {
        Target::Job(id) => missing(&id),
        Target::Batch(id) => missing(&id),
    }
}

fn nothing_to_retry(target: Target) -> String {
    match target {
        Target::Job(id) => format!(
            "job `{id}` is not final yet, or it succeeded: only failed and cancelled jobs are \
             retried"
        ),
        Target::Batch(id) => format!(
            "no item of batch `{id}` failed or was cancelled, and refused items were never jobs"
        ),
    }
}
