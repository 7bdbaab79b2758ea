//! Writes verdicts, each under its worker and fence.

use common::{
    id::{Digest, TaskId, WorkerId},
    outcome::{ArtifactRef, Settlement, Verdict},
    plan::NewTask,
    port::PortResult,
    rules::{cascade::Origin, lifecycle::TaskEvent},
    store::Settled,
};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    cancel::stop_tasks,
    column,
    insert::{PlanOwner, Queueing, insert_tasks},
    statement::transition,
    tasks::{end, fail, held, make_ready, record_failure},
    transaction::{EndedRow, Transaction},
};
use crate::store::reason;

/// Writes a verdict, if the worker holds the lease of its task.
pub async fn settle(
    tx: &mut Transaction,
    worker: WorkerId,
    settlement: Settlement,
) -> PortResult<Settled> {
    let Settlement { task, fence, verdict } = settlement;
    let Some((queue, attempt)) = held(tx, worker, task, fence).await? else {
        return Ok(Settled::Stale);
    };
    *tx.effects.attempts_ended.entry(queue).or_default() += 1;
    let (task, worker) = (task.0, Some(worker));
    match verdict {
        Verdict::Succeeded { output, hash, artifacts, grown, memo } => {
            succeed(tx, task, &output, hash, &artifacts, &grown, memo).await?;
        }
        Verdict::Failed(error) => {
            fail(tx, task, TaskEvent::Fail, attempt, worker, &error).await?;
        }
        Verdict::Cancelled => {
            end(tx, task, TaskEvent::AcknowledgeCancel, &reason::cancelled()).await?;
        }
        Verdict::Retry { error, pause } => {
            record_failure(tx, task, attempt, worker, &error).await?;
            let run_at = tx.now.saturating_add(column::millis(pause));
            make_ready(tx, task, TaskEvent::Retry, run_at).await?;
        }
    }
    Ok(Settled::Counted)
}

async fn succeed(
    tx: &mut Transaction,
    task: Uuid,
    output: &Value,
    hash: Digest,
    artifacts: &[ArtifactRef],
    grown: &[NewTask],
    memo: bool,
) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Succeed,
        "UPDATE tasks SET state = {to}, output = ?, output_hash = ?, artifacts = ?, error = NULL,
             lease_until = NULL, finished_at = ?
         WHERE id = ? AND {from} RETURNING {ended}",
    );
    let task: EndedRow = row!(tx.sql(), statement;
        Json(output), hash.0.as_slice(), Json(artifacts), tx.now, task)?;
    if memo && task.key.is_some() {
        execute!(tx.sql(),
            "INSERT INTO memos (tenant, key, output, output_hash, artifacts, used_at)
             SELECT tenant, key, output, output_hash, artifacts, finished_at FROM tasks WHERE id = ?
             ON CONFLICT (tenant, key) DO UPDATE SET output = excluded.output,
                 output_hash = excluded.output_hash, artifacts = excluded.artifacts,
                 used_at = excluded.used_at";
            task.id)?;
    }
    if !grown.is_empty() {
        grow(tx, &task, grown).await?;
    }
    let origin = if memo { Origin::Own } else { Origin::Unshared };
    tx.work.add(task, TaskEvent::Succeed, origin);
    Ok(())
}

#[derive(sqlx::FromRow)]
struct GrowingJob {
    priority: i64,
    result_task: Uuid,
    no_result: bool,
    last_place: i64,
    limited_batch: Option<Uuid>,
}

/// Adds tasks to the plan. In a job that has no result to expect they are inserted and cancelled,
/// so the plan shows them.
async fn grow(tx: &mut Transaction, parent: &EndedRow, grown: &[NewTask]) -> PortResult<()> {
    let job: GrowingJob = row!(tx.sql(),
        "SELECT priority, result_task, no_result,
             (SELECT max(place) FROM tasks WHERE tasks.job = jobs.id) AS last_place,
             (SELECT id FROM batches WHERE id = jobs.batch AND max_concurrent IS NOT NULL)
                 AS limited_batch
         FROM jobs WHERE id = ?";
        parent.job)?;
    let owner = PlanOwner {
        job: parent.job,
        tenant: parent.tenant.clone(),
        priority: job.priority,
        limited_batch: job.limited_batch,
        run_at: tx.now,
        place: job.last_place + 1,
        // Nothing of it is queued here: the dispatch that queues it reads the trace.
        traceparent: None,
    };
    let change = tx.work.jobs.entry(parent.job).or_default();
    grown.iter().for_each(|task| change.task_added(&task.kind));
    if change.result.unwrap_or(TaskId(job.result_task)) == TaskId(parent.id) {
        change.result = grown.iter().find(|task| task.result).map(|task| task.id).or(change.result);
    }
    insert_tasks(tx, &owner, grown, None, &mut Queueing::default()).await?;
    if job.no_result { stop_tasks(tx, parent.job, &reason::cancelled()).await } else { Ok(()) }
}
