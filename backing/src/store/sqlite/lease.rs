//! While a task is queued or runs: beats, hand-backs, releases.

use std::time::Duration;

use common::{
    id::{Fence, TaskId, WorkerId},
    lifecycle::TaskState,
    port::{
        PortResult,
        store::{Beat, Presence, Pulse},
    },
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
    class: String,
    cancel_requested: bool,
    #[sqlx(flatten)]
    task: EndedRow,
}

impl Write<'_> {
    /// Keeps the worker's presence, then renews each lease that it holds.
    pub async fn beat(
        &mut self,
        presence: &Presence,
        beats: &[Beat],
        lease: Duration,
    ) -> PortResult<Vec<Pulse>> {
        self.keep_presence(presence).await?;
        let mut pulses = Vec::with_capacity(beats.len());
        for beat in beats {
            let progress = beat.progress.as_ref().map(column::text).transpose()?;
            let asked: Option<bool> = sqlx::query_scalar(
                "UPDATE tasks SET lease_until = max(lease_until, ?), progress = coalesce(?, progress)
                 WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'
                 RETURNING cancel_requested",
            )
            .bind(self.now + column::millis(lease))
            .bind(progress)
            .bind(beat.task.0)
            .bind(presence.worker.0)
            .bind(beat.fence.0)
            .fetch_optional(self.sql())
            .await
            .map_err(port)?;
            pulses.push(match asked {
                Some(true) => Pulse::Cancel,
                Some(false) => Pulse::Held,
                None => Pulse::Stale,
            });
        }
        Ok(pulses)
    }

    async fn keep_presence(&mut self, presence: &Presence) -> PortResult<()> {
        sqlx::query(
            "INSERT INTO workers (id, name, draining, seen_at) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, draining = excluded.draining, seen_at = excluded.seen_at",
        )
        .bind(presence.worker.0)
        .bind(&presence.name)
        .bind(presence.draining)
        .bind(self.now)
        .execute(self.sql())
        .await
        .map_err(port)?;
        sqlx::query("DELETE FROM worker_slots WHERE worker = ?")
            .bind(presence.worker.0)
            .execute(self.sql())
            .await
            .map_err(port)?;
        for (class, slots) in &presence.slots {
            sqlx::query(
                "INSERT INTO worker_slots (worker, class, slots) VALUES (?, ?, ?)
                 ON CONFLICT (worker, class) DO UPDATE SET slots = excluded.slots",
            )
            .bind(presence.worker.0)
            .bind(class.as_str())
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
                 RETURNING class, cancel_requested, id, job, tenant, name, kind, key, needed",
            )
            .bind(self.now)
            .bind(task.0)
            .bind(worker.0)
            .bind(fence.0)
            .fetch_optional(self.sql())
            .await
            .map_err(port)?;
            if let Some(row) = row {
                *self.attempts.entry(column::class(&row.class)?).or_default() += 1;
                self.settle_back(row).await?;
            }
        }
        Ok(())
    }

    /// A task is ready again; one that was asked to stop ends here instead, for nobody is left to ask.
    pub async fn settle_back(&mut self, row: BackRow) -> PortResult<()> {
        self.changes(row.task.job);
        if !row.cancel_requested {
            self.readies(column::class(&row.class)?);
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
        self.ended.push_back(Ended {
            task: row.task,
            state: TaskState::Cancelled,
            recalled: false,
        });
        Ok(())
    }
}
