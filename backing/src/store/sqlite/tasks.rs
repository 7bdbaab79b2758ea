//! Changes of a single task: its end without an output, and its way back to `ready`.

use common::{
    error::JobError,
    id::{Fence, TaskId, WorkerId},
    port::PortResult,
    queue::Queue,
    rules::{cascade::Origin, lifecycle::TaskEvent},
    view::FailedAttempt,
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    column,
    statement::transition,
    transaction::{EndedRow, Transaction},
};
use crate::store::reason;

/// The queue and the attempt of a running task, if this worker holds its lease under this fence.
pub async fn held(
    tx: &mut Transaction,
    worker: WorkerId,
    task: TaskId,
    fence: Fence,
) -> PortResult<Option<(Queue, u16)>> {
    let row: Option<(String, u16)> = maybe_row!(tx.sql(),
        "SELECT queue, attempt FROM tasks
         WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'";
        task.0, worker.0, fence.0)?;
    row.map(|(queue, attempt)| Ok((column::queue(&queue)?, attempt))).transpose()
}

/// Ends a task without an output, if `event` is legal in its state. Returns whether it was.
pub async fn end(
    tx: &mut Transaction,
    task: Uuid,
    event: TaskEvent,
    error: &JobError,
) -> PortResult<bool> {
    let statement = transition(
        event,
        "UPDATE tasks SET state = {to}, error = ?, lease_until = NULL, finished_at = ?
         WHERE id = ? AND {from} RETURNING {ended}",
    );
    let row: Option<EndedRow> = maybe_row!(tx.sql(), statement; Json(error), tx.now, task)?;
    let ended = row.is_some();
    row.into_iter().for_each(|row| tx.work.add(row, event, Origin::Own));
    Ok(ended)
}

/// Ends a task by an error of its last attempt, if `event` is legal in its state. Returns whether
/// it was.
pub async fn fail(
    tx: &mut Transaction,
    task: Uuid,
    event: TaskEvent,
    attempt: u16,
    worker: Option<WorkerId>,
    error: &JobError,
) -> PortResult<bool> {
    let ended = end(tx, task, event, error).await?;
    if ended {
        record_failure(tx, task, attempt, worker, error).await?;
    }
    Ok(ended)
}

/// Writes the error of an attempt as the task's, and appends it to the chain of its errors.
pub async fn record_failure(
    tx: &mut Transaction,
    task: Uuid,
    attempt: u16,
    worker: Option<WorkerId>,
    error: &JobError,
) -> PortResult<()> {
    let at = column::time(tx.now)?;
    let failure = FailedAttempt { attempt, worker, at, error: error.clone() };
    execute!(tx.sql(),
        "UPDATE tasks SET error = ?,
             errors = json_insert(coalesce(errors, '[]'), '$[#]', json(?))
         WHERE id = ?";
        Json(error), Json(failure), task)?;
    Ok(())
}

/// Takes a running task back to `ready`, due at `run_at`; only a retry burns the attempt, and only
/// a burned one counts in the job. A task that was asked to stop is cancelled instead, because no
/// worker is left to acknowledge it.
pub async fn make_ready(
    tx: &mut Transaction,
    task: Uuid,
    event: TaskEvent,
    run_at: i64,
) -> PortResult<()> {
    let statement = transition(
        event,
        "UPDATE tasks SET state = {to}, attempt = attempt - (? AND NOT cancel_requested),
             lease_until = NULL, progress = NULL, run_at = ?
         WHERE id = ? AND {from} RETURNING job, queue, cancel_requested",
    );
    let unburned = event != TaskEvent::Retry;
    let (job, queue, cancel_requested): (Uuid, String, bool) =
        row!(tx.sql(), statement; unburned, run_at, task)?;
    tx.effects.jobs.insert(job);
    if cancel_requested {
        return end(tx, task, TaskEvent::Cancel, &reason::cancelled()).await.map(drop);
    }
    if unburned {
        execute!(tx.sql(), "UPDATE jobs SET attempts = attempts - 1 WHERE id = ?"; job)?;
    }
    tx.effects.ready_queues.insert(column::queue(&queue)?);
    Ok(())
}
