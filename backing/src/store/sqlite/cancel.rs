//! Cancelling a job, or the jobs of a batch that have not settled.

use common::{
    error::JobError, id::TenantId, port::PortResult, rules::lifecycle::TaskEvent, store::Target,
};
use uuid::Uuid;

use super::{
    batches, column, statement::transition, transaction::WriteTransaction, worklist::EndedRow,
};
use crate::store::reason;

/// Cancels a target. Returns whether the tenant has it.
pub async fn cancel(
    tx: &mut WriteTransaction<'_>,
    tenant: &TenantId,
    target: Target,
) -> PortResult<bool> {
    if !batches::has(tx.sql(), tenant, target).await? {
        return Ok(false);
    }
    match target {
        Target::Job(job) => cancel_job(tx, job.0).await?,
        Target::Batch(batch) => cancel_batch(tx, batch.0).await?,
    }
    Ok(true)
}

/// Cancels all jobs of a batch that have not settled. All of their tasks stop before any
/// consequence is drawn, so none of them is elected a leader by another's end.
pub async fn cancel_batch(tx: &mut WriteTransaction<'_>, batch: Uuid) -> PortResult<()> {
    let jobs: Vec<Uuid> = values!(tx.sql(),
        "SELECT id FROM jobs WHERE batch = ? AND finished_at IS NULL ORDER BY item"; batch)?;
    for job in jobs {
        cancel_job(tx, job).await?;
    }
    Ok(())
}

async fn cancel_job(tx: &mut WriteTransaction<'_>, job: Uuid) -> PortResult<()> {
    let open = execute!(tx.sql(),
        "UPDATE jobs SET version = version + 1, cancel_requested = 1, no_result = 1
         WHERE id = ? AND finished_at IS NULL AND cancel_requested = 0";
        job)?;
    if open > 0 {
        tx.job_changed(job);
        stop_tasks(tx, job, &reason::cancelled()).await?;
    }
    Ok(())
}

/// Cancels all tasks of a job that do not run, and asks the running ones to stop.
pub async fn stop_tasks(
    tx: &mut WriteTransaction<'_>,
    job: Uuid,
    reason: &JobError,
) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Cancel,
        "UPDATE tasks SET state = {to}, error = ?, finished_at = ? WHERE job = ? AND {from}
         RETURNING id, job, tenant, name, kind, key, needed",
    );
    let (error, now) = (column::text(reason)?, tx.now);
    let rows: Vec<EndedRow> = rows!(tx.sql(), statement; error, now, job)?;
    tx.work.extend(rows, TaskEvent::Cancel);
    let running: Vec<Uuid> = values!(tx.sql(),
        "UPDATE tasks SET cancel_requested = 1
         WHERE job = ? AND state = 'running' AND cancel_requested = 0 RETURNING id";
        job)?;
    running.into_iter().for_each(|task| tx.task_to_stop(task));
    Ok(())
}
