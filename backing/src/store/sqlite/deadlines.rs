//! Time in queue: jobs that did not start in the time that they allow.

use common::{
    port::PortResult,
    rules::{cascade::Origin, lifecycle::TaskEvent},
    submission::NewJob,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    attempts::append_error, column, statement::transition, transaction::WriteTransaction,
    worklist::EndedRow,
};
use crate::store::reason;

/// Stores the time until which the first tasks of a job may wait that runs from `run_at` on.
pub async fn store(tx: &mut WriteTransaction<'_>, job: &NewJob, run_at: i64) -> PortResult<()> {
    let Some(timeout) = job.queue_timeout else { return Ok(()) };
    let allowed = column::millis(timeout);
    let due_at = run_at.max(tx.now).saturating_add(allowed);
    for task in job.tasks.iter().filter(|task| task.needs.is_empty()) {
        execute!(tx.sql(),
            "INSERT INTO deadlines (task, due_at, allowed_ms) VALUES (?, ?, ?)
             ON CONFLICT DO NOTHING";
            task.id.0, due_at, allowed)?;
    }
    Ok(())
}

/// Tasks whose deadline has passed, longest overdue first, in any state.
pub async fn passed(sql: &mut SqliteConnection, most: u32, now: i64) -> PortResult<Vec<Uuid>> {
    values!(sql, "SELECT task FROM deadlines WHERE due_at <= ? ORDER BY due_at LIMIT ?"; now, most)
}

/// Removes a deadline, and fails its task if nothing of the job has started. Returns whether it
/// failed.
pub async fn fail_overdue_start(tx: &mut WriteTransaction<'_>, task: Uuid) -> PortResult<bool> {
    let allowed: Option<i64> = maybe_value!(tx.sql(),
        "DELETE FROM deadlines WHERE task = ? RETURNING allowed_ms"; task)?;
    let Some(allowed) = allowed else { return Ok(false) };
    let error = reason::expired(allowed);
    let errors = append_error(None, 0, None, &error, tx.now)?;
    let statement = transition(
        TaskEvent::Expire,
        "UPDATE tasks SET state = {to}, error = ?, errors = ?, finished_at = ?
         WHERE id = ? AND {from} AND fence = 0
             AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job AND jobs.status = 'queued')
         RETURNING id, job, tenant, name, kind, key, needed",
    );
    let now = tx.now;
    let row: Option<EndedRow> =
        maybe_row!(tx.sql(), statement; column::text(&error)?, errors, now, task)?;
    let failed = row.is_some();
    row.into_iter().for_each(|row| tx.work.add(row, TaskEvent::Expire, Origin::Own));
    Ok(failed)
}
