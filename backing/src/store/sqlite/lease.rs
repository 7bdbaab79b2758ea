//! While a task is queued or runs: heartbeats, hand-backs, releases.

use std::time::Duration;

use common::{
    id::{Fence, TaskId, WorkerId},
    port::PortResult,
    rules::lifecycle::TaskState,
    store::{Heartbeat, HeartbeatReply, WorkerRegistration},
};

use super::{
    cascade::{Ended, EndedRow},
    column,
    fault::port,
    write::Write,
};
use crate::store::reason;

/// A task that went back to `ready`.
#[derive(sqlx::FromRow)]
pub struct BackRow {
    queue: String,
    cancel_requested: bool,
    #[sqlx(flatten)]
    task: EndedRow,
}

impl Write<'_> {
    /// Keeps the worker's registration, then renews each lease that it holds.
    pub async fn heartbeat(
        &mut self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        self.keep_presence(registration).await?;
        let mut replies = Vec::with_capacity(heartbeats.len());
        for heartbeat in heartbeats {
            let progress = heartbeat.progress.as_ref().map(column::text).transpose()?;
            let asked: Option<bool> = sqlx::query_scalar(
                "UPDATE tasks SET lease_until = max(lease_until, ?), progress = coalesce(?, progress)
                 WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'
                 RETURNING cancel_requested",
            )
            .bind(self.now + column::millis(lease))
            .bind(progress)
            .bind(heartbeat.task.0)
            .bind(registration.worker.0)
            .bind(heartbeat.fence.0)
            .fetch_optional(self.sql())
            .await
            .map_err(port)?;
            replies.push(match asked {
                Some(true) => HeartbeatReply::Cancel,
                Some(false) => HeartbeatReply::Held,
                None => HeartbeatReply::Stale,
            });
        }
        Ok(replies)
    }

    async fn keep_presence(&mut self, registration: &WorkerRegistration) -> PortResult<()> {
        sqlx::query(
            "INSERT INTO workers (id, name, draining, seen_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, draining = excluded.draining, seen_at = excluded.seen_at",
        )
        .bind(registration.worker.0)
        .bind(&registration.name)
        .bind(registration.draining)
        .bind(self.now)
        .execute(self.sql())
        .await
        .map_err(port)?;
        sqlx::query("DELETE FROM worker_slots WHERE worker = ?")
            .bind(registration.worker.0)
            .execute(self.sql())
            .await
            .map_err(port)?;
        for (queue, slots) in &registration.slots {
            sqlx::query(
                "INSERT INTO worker_slots (worker, queue, slots) VALUES (?, ?, ?)
                 ON CONFLICT (worker, queue) DO UPDATE SET slots = excluded.slots",
            )
            .bind(registration.worker.0)
            .bind(queue.as_str())
            .bind(slots)
            .execute(self.sql())
            .await
            .map_err(port)?;
        }
        Ok(())
    }

    /// `queued` → `ready`.
    pub async fn hand_back(&mut self, tasks: &[TaskId]) -> PortResult<u64> {
        let mut handed = 0;
        for task in tasks {
            let done =
                sqlx::query("UPDATE tasks SET state = 'ready', queued_at = NULL WHERE id = ? AND state = 'queued'")
                    .bind(task.0)
                    .execute(self.sql())
                    .await
                    .map_err(port)?;
            handed += done.rows_affected();
        }
        Ok(handed)
    }

    /// `running` → `ready`, with the attempt given back.
    pub async fn release(&mut self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<()> {
        for (task, fence) in tasks {
            let row: Option<BackRow> = sqlx::query_as(
                "UPDATE tasks SET state = 'ready', attempt = attempt - 1, lease_until = NULL, progress = NULL, run_at = ?
                 WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'
                 RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
            )
            .bind(self.now)
            .bind(task.0)
            .bind(worker.0)
            .bind(fence.0)
            .fetch_optional(self.sql())
            .await
            .map_err(port)?;
            if let Some(row) = row {
                *self.attempts.entry(column::queue(&row.queue)?).or_default() += 1;
                self.settle_back(row).await?;
            }
        }
        Ok(())
    }

    /// A task is ready again; one that was asked to stop ends here instead, for nobody is left to ask.
    pub async fn settle_back(&mut self, row: BackRow) -> PortResult<()> {
        self.changes(row.task.job);
        if !row.cancel_requested {
            self.readies(column::queue(&row.queue)?);
            return Ok(());
        }
        sqlx::query(
            "UPDATE tasks SET state = 'cancelled', error = ?, finished_at = ? WHERE id = ?",
        )
        .bind(column::text(&reason::cancelled())?)
        .bind(self.now)
        .bind(row.task.id)
        .execute(self.sql())
        .await
        .map_err(port)?;
        self.ended.push_back(Ended { task: row.task, state: TaskState::Cancelled, cached: false });
        Ok(())
    }
}
