//! Cancels jobs, and the jobs of a batch that have not settled.

use common::{error::JobError, id::TaskId, port::PortResult, rules::lifecycle::TaskEvent};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    statement::transition,
    transaction::{EndedRow, Transaction},
};
use crate::store::reason;

/// Cancels all jobs of a batch that have not settled. All of their tasks stop before any
/// consequence is drawn, so none of them is elected a leader by another's end.
pub async fn cancel_batch(tx: &mut Transaction, batch: Uuid) -> PortResult<()> {
    let jobs: Vec<Uuid> = values!(tx.sql(),
        "SELECT id FROM jobs WHERE batch = ? AND finished_at IS NULL ORDER BY item"; batch)?;
    for job in jobs {
        cancel_job(tx, job).await?;
    }
    Ok(())
}

/// Cancels a job, unless it has settled or a cancel was requested before.
pub async fn cancel_job(tx: &mut Transaction, job: Uuid) -> PortResult<()> {
    let open = execute!(tx.sql(),
        "UPDATE jobs SET version = version + 1, cancel_requested = 1, no_result = 1
         WHERE id = ? AND finished_at IS NULL AND cancel_requested = 0";
        job)?;
    if open > 0 {
        tx.effects.jobs.insert(job);
        stop_tasks(tx, job, &reason::cancelled()).await?;
    }
    Ok(())
}

/// Cancels all tasks of a job that do not run, and asks the running ones to stop.
pub async fn stop_tasks(tx: &mut Transaction, job: Uuid, reason: &JobError) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Cancel,
        "UPDATE tasks SET state = {to}, error = ?, finished_at = ? WHERE job = ? AND {from}
         RETURNING {ended}",
    );
    let rows: Vec<EndedRow> = rows!(tx.sql(), statement; Json(reason), tx.now, job)?;
    tx.work.extend(rows, TaskEvent::Cancel);
    let running: Vec<Uuid> = values!(tx.sql(),
        "UPDATE tasks SET cancel_requested = 1
         WHERE job = ? AND state = 'running' AND cancel_requested = 0 RETURNING id";
        job)?;
    tx.effects.tasks_to_stop.extend(running.into_iter().map(TaskId));
    Ok(())
}
