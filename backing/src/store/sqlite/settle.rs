//! Writing verdicts, each under its worker and fence.

use common::{
    error::JobError,
    id::{Digest, TaskId, WorkerId},
    outcome::{Settlement, Verdict},
    plan::NewTask,
    port::PortResult,
    rules::{cascade::Origin, lifecycle::TaskEvent},
    store::Settled,
};
use uuid::Uuid;

use super::{
    attempts::{ReadyAgain, append_error, follow_ready_again},
    cancel::stop_tasks,
    column,
    insert::{PlanOwner, Queueing, insert_tasks},
    statement::transition,
    transaction::WriteTransaction,
    worklist::EndedRow,
};
use crate::store::reason;

/// A running task whose lease the settling worker holds.
#[derive(sqlx::FromRow)]
struct HeldRow {
    queue: String,
    attempt: i64,
    errors: Option<String>,
    #[sqlx(flatten)]
    task: EndedRow,
}

/// Writes verdicts in their order.
pub async fn settle(
    tx: &mut WriteTransaction<'_>,
    worker: WorkerId,
    settlements: Vec<Settlement>,
) -> PortResult<Vec<Settled>> {
    let mut answers = Vec::with_capacity(settlements.len());
    for Settlement { task, fence, verdict } in settlements {
        let held: Option<HeldRow> = maybe_row!(tx.sql(),
            "SELECT queue, attempt, errors, id, job, tenant, name, kind, key, needed FROM tasks
             WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'";
            task.0, worker.0, fence.0)?;
        answers.push(match held {
            Some(held) => {
                tx.attempt_ended(column::queue(&held.queue)?);
                write_verdict(tx, worker, held, verdict).await?;
                Settled::Counted
            }
            None => Settled::Stale,
        });
    }
    Ok(answers)
}

async fn write_verdict(
    tx: &mut WriteTransaction<'_>,
    worker: WorkerId,
    held: HeldRow,
    verdict: Verdict,
) -> PortResult<()> {
    let (errors, attempt, worker) = (held.errors, held.attempt, Some(worker));
    match verdict {
        Verdict::Succeeded { output, hash, artifacts, grown, memo } => {
            let (output, artifacts) = (column::text(&output)?, column::text(&artifacts)?);
            write_success(tx, &held.task, &output, hash, &artifacts).await?;
            if let (Some(key), true) = (&held.task.key, memo) {
                store_memo(tx, &held.task.tenant, key, &output, hash, &artifacts).await?;
            }
            if !grown.is_empty() {
                grow(tx, &held.task, &grown).await?;
            }
            let origin = if memo { Origin::Own } else { Origin::Unshared };
            tx.work.add(held.task, TaskEvent::Succeed, origin);
            Ok(())
        }
        Verdict::Failed(error) => {
            let errors = append_error(errors.as_deref(), attempt, worker, &error, tx.now)?;
            write_end(tx, held.task, TaskEvent::Fail, &error, Some(errors)).await
        }
        Verdict::Cancelled => {
            let event = TaskEvent::AcknowledgeCancel;
            write_end(tx, held.task, event, &reason::cancelled(), errors).await
        }
        Verdict::Retry { error, pause } => {
            let errors = append_error(errors.as_deref(), attempt, worker, &error, tx.now)?;
            let run_at = tx.now.saturating_add(column::millis(pause));
            let statement = transition(
                TaskEvent::Retry,
                "UPDATE tasks SET state = {to}, error = ?, errors = ?, lease_until = NULL,
                     progress = NULL, run_at = ?
                 WHERE id = ? AND {from}
                 RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
            );
            let row: ReadyAgain = row!(tx.sql(), statement;
                column::text(&error)?, errors, run_at, held.task.id)?;
            follow_ready_again(tx, row).await
        }
    }
}

async fn write_success(
    tx: &mut WriteTransaction<'_>,
    task: &EndedRow,
    output: &str,
    hash: Digest,
    artifacts: &str,
) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Succeed,
        "UPDATE tasks SET state = {to}, output = ?, output_hash = ?, artifacts = ?, error = NULL,
             lease_until = NULL, finished_at = ?
         WHERE id = ? AND {from}",
    );
    let now = tx.now;
    execute!(tx.sql(), statement; output, hash.0.as_slice(), artifacts, now, task.id)?;
    Ok(())
}

async fn store_memo(
    tx: &mut WriteTransaction<'_>,
    tenant: &str,
    key: &[u8],
    output: &str,
    hash: Digest,
    artifacts: &str,
) -> PortResult<()> {
    let now = tx.now;
    execute!(tx.sql(),
        "INSERT INTO memos (tenant, key, output, output_hash, artifacts, used_at)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, key) DO UPDATE SET output = excluded.output,
             output_hash = excluded.output_hash, artifacts = excluded.artifacts,
             used_at = excluded.used_at";
        tenant, key, output, hash.0.as_slice(), artifacts, now)?;
    Ok(())
}

async fn write_end(
    tx: &mut WriteTransaction<'_>,
    task: EndedRow,
    event: TaskEvent,
    error: &JobError,
    errors: Option<String>,
) -> PortResult<()> {
    let statement = transition(
        event,
        "UPDATE tasks SET state = {to}, error = ?, errors = ?, lease_until = NULL,
             finished_at = ?
         WHERE id = ? AND {from}",
    );
    let now = tx.now;
    execute!(tx.sql(), statement; column::text(error)?, errors, now, task.id)?;
    tx.work.add(task, event, Origin::Own);
    Ok(())
}

#[derive(sqlx::FromRow)]
struct GrowingJob {
    priority: i64,
    batch: Option<Uuid>,
    result_task: Uuid,
    no_result: bool,
    last_place: i64,
    limited: bool,
}

/// Adds tasks to the plan. In a job that has no result to expect they are inserted and cancelled, so
/// the plan shows them.
async fn grow(
    tx: &mut WriteTransaction<'_>,
    parent: &EndedRow,
    grown: &[NewTask],
) -> PortResult<()> {
    let job: GrowingJob = row!(tx.sql(),
        "SELECT jobs.priority, jobs.batch, jobs.result_task, jobs.no_result,
             (SELECT max(place) FROM tasks WHERE tasks.job = jobs.id) AS last_place,
             batches.max_concurrent IS NOT NULL AS limited
         FROM jobs LEFT JOIN batches ON batches.id = jobs.batch WHERE jobs.id = ?";
        parent.job)?;
    let limited_batch = job.batch.filter(|_| job.limited);
    let owner = PlanOwner {
        job: parent.job,
        tenant: parent.tenant.clone(),
        priority: job.priority,
        limited_batch: limited_batch.map(|batch| batch.as_bytes().to_vec()).unwrap_or_default(),
        run_at: tx.now,
        place: job.last_place + 1,
        // Nothing of it is queued here: the dispatch that queues it reads the trace.
        traceparent: None,
    };
    let change = tx.work.job(parent.job);
    grown.iter().for_each(|task| change.task_added(&task.kind));
    if change.result.unwrap_or(TaskId(job.result_task)) == TaskId(parent.id) {
        change.result = grown.iter().find(|task| task.result).map(|task| task.id).or(change.result);
    }
    insert_tasks(tx, &owner, grown, None, &mut Queueing::default()).await?;
    if job.no_result { stop_tasks(tx, parent.job, &reason::cancelled()).await } else { Ok(()) }
}
