//! The ends of attempts that do not settle their task, and the chain of a task's errors.

use common::{
    error::JobError,
    id::WorkerId,
    port::PortResult,
    rules::{cascade::Origin, lifecycle::TaskEvent},
    view::FailedAttempt,
};

use super::{column, statement::transition, transaction::WriteTransaction, worklist::EndedRow};
use crate::store::reason;

/// A task that went back to `ready`.
#[derive(sqlx::FromRow)]
pub struct ReadyAgain {
    queue: String,
    cancel_requested: bool,
    #[sqlx(flatten)]
    task: EndedRow,
}

impl ReadyAgain {
    pub fn queue(&self) -> &str {
        &self.queue
    }
}

/// Follows a task that is ready again. One that was asked to stop is cancelled instead, because no
/// worker is left to acknowledge it.
pub async fn follow_ready_again(tx: &mut WriteTransaction<'_>, row: ReadyAgain) -> PortResult<()> {
    tx.job_changed(row.task.job);
    if !row.cancel_requested {
        tx.task_ready(column::queue(&row.queue)?);
        return Ok(());
    }
    let statement = transition(
        TaskEvent::Cancel,
        "UPDATE tasks SET state = {to}, error = ?, finished_at = ? WHERE id = ? AND {from}",
    );
    let now = tx.now;
    execute!(tx.sql(), statement; column::text(&reason::cancelled())?, now, row.task.id)?;
    tx.work.add(row.task, TaskEvent::Cancel, Origin::Own);
    Ok(())
}

/// The chain of a task's errors, with one more at its end.
pub fn append_error(
    errors: Option<&str>,
    attempt: i64,
    worker: Option<WorkerId>,
    error: &JobError,
    now: i64,
) -> PortResult<String> {
    let mut chain: Vec<FailedAttempt> =
        column::maybe_json("tasks.errors", errors)?.unwrap_or_default();
    let (attempt, at) = (column::number("tasks.attempt", attempt)?, column::time("now", now)?);
    chain.push(FailedAttempt { attempt, worker, at, error: error.clone() });
    column::text(&chain)
}
