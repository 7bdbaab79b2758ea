//! Time in queue: jobs that did not start in the time that they allow.

use common::{port::PortResult, rules::lifecycle::TaskState, store::Swept, submission::NewJob};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    cascade::{Ended, EndedRow},
    column,
    fault::port,
    write::Write,
};
use crate::store::reason;

/// Tasks whose deadline has passed, longest first, whatever became of them.
pub async fn overdue(reader: &mut SqliteConnection, most: u32, now: i64) -> PortResult<Vec<Uuid>> {
    sqlx::query_scalar("SELECT task FROM deadlines WHERE due_at <= ? ORDER BY due_at LIMIT ?")
        .bind(now)
        .bind(most)
        .fetch_all(reader)
        .await
        .map_err(port)
}

/// Fails a task if nothing of its job has started, in a write of its own; its deadline goes in any case.
pub async fn expire(writer: &mut SqliteConnection, task: Uuid, now: i64) -> PortResult<Swept> {
    let mut write = Write::begin(writer, now).await?;
    let expired = write.expire(task).await?;
    let changes = write.commit().await?;
    Ok(Swept { expired: u32::from(expired), changes, ..Swept::default() })
}

impl Write<'_> {
    /// Notes until when the first tasks of a job may wait that runs from `run_at` on.
    pub async fn keep_deadlines(&mut self, job: &NewJob, run_at: i64) -> PortResult<()> {
        let Some(timeout) = job.queue_timeout else { return Ok(()) };
        let allowed = column::millis(timeout);
        let due_at = run_at.max(self.now).saturating_add(allowed);
        for task in job.tasks.iter().filter(|task| task.needs.is_empty()) {
            sqlx::query("INSERT INTO deadlines (task, due_at, allowed_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
                .bind(task.id.0)
                .bind(due_at)
                .bind(allowed)
                .execute(self.sql())
                .await
                .map_err(port)?;
        }
        Ok(())
    }

    async fn expire(&mut self, task: Uuid) -> PortResult<bool> {
        let allowed: Option<i64> =
            sqlx::query_scalar("DELETE FROM deadlines WHERE task = ? RETURNING allowed_ms")
                .bind(task)
                .fetch_optional(self.sql())
                .await
                .map_err(port)?;
        let Some(allowed) = allowed else { return Ok(false) };
        let error = reason::expired(allowed);
        let errors = self.chained(None, 0, None, &error)?;
        let row: Option<EndedRow> = sqlx::query_as(
            "UPDATE tasks SET state = 'failed', error = ?, errors = ?, finished_at = ?
             WHERE id = ? AND state IN ('waiting', 'ready', 'queued') AND fence = 0
                 AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = tasks.job AND jobs.status = 'queued')
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(column::text(&error)?)
        .bind(errors)
        .bind(self.now)
        .bind(task)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        let expired = row.is_some();
        self.ended.extend(row.map(|task| Ended { task, state: TaskState::Failed, cached: false }));
        Ok(expired)
    }
}
