//! The part of the store that workers use.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::{Fence, TaskId, WorkerId},
    outcome::Settlement,
    port::PortResult,
    rules::lifecycle::TaskEvent,
    store::{Changes, Claimed, Heartbeat, HeartbeatReply, Leases, Settled, WorkerRegistration},
};

use super::{
    SqliteStore,
    attempts::{ReadyAgain, follow_ready_again},
    cascade::commit,
    claim::claim,
    column,
    settle::settle,
    statement::transition,
    transaction::WriteTransaction,
};

#[async_trait]
impl Leases for SqliteStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let claimed = claim(&mut tx, worker, tasks, lease).await?;
        commit(tx).await?;
        Ok(claimed)
    }

    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        register(&mut tx, registration).await?;
        let lease_until = tx.now + column::millis(lease);
        let mut replies = Vec::with_capacity(heartbeats.len());
        for heartbeat in heartbeats {
            let progress = column::maybe_text(heartbeat.progress.as_ref())?;
            let cancel_requested: Option<bool> = maybe_value!(tx.sql(),
                "UPDATE tasks SET lease_until = max(lease_until, ?),
                     progress = coalesce(?, progress)
                 WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'
                 RETURNING cancel_requested";
                lease_until, progress, heartbeat.task.0, registration.worker.0,
                heartbeat.fence.0)?;
            replies.push(match cancel_requested {
                Some(true) => HeartbeatReply::Cancel,
                Some(false) => HeartbeatReply::Held,
                None => HeartbeatReply::Stale,
            });
        }
        commit(tx).await?;
        Ok(replies)
    }

    async fn settle(
        &self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<(Vec<Settled>, Changes)> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let settled = settle(&mut tx, worker, settlements).await?;
        Ok((settled, commit(tx).await?))
    }

    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        for (task, fence) in tasks {
            release(&mut tx, worker, *task, *fence).await?;
        }
        commit(tx).await
    }
}

/// Stores the worker and its slots.
async fn register(
    tx: &mut WriteTransaction<'_>,
    registration: &WorkerRegistration,
) -> PortResult<()> {
    let (worker, now) = (registration.worker.0, tx.now);
    execute!(tx.sql(),
        "INSERT INTO workers (id, name, draining, heartbeat_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, draining = excluded.draining,
             heartbeat_at = excluded.heartbeat_at";
        worker, &registration.name, registration.draining, now)?;
    execute!(tx.sql(), "DELETE FROM worker_slots WHERE worker = ?"; worker)?;
    for (queue, slots) in &registration.slots {
        execute!(tx.sql(),
            "INSERT INTO worker_slots (worker, queue, slots) VALUES (?, ?, ?)
             ON CONFLICT (worker, queue) DO UPDATE SET slots = excluded.slots";
            worker, queue.as_str(), slots)?;
    }
    Ok(())
}

async fn release(
    tx: &mut WriteTransaction<'_>,
    worker: WorkerId,
    task: TaskId,
    fence: Fence,
) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Release,
        "UPDATE tasks SET state = {to}, attempt = attempt - 1, lease_until = NULL,
             progress = NULL, run_at = ?
         WHERE id = ? AND worker = ? AND fence = ? AND {from}
         RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
    );
    let now = tx.now;
    let row: Option<ReadyAgain> = maybe_row!(tx.sql(), statement; now, task.0, worker.0, fence.0)?;
    match row {
        Some(row) => {
            tx.attempt_ended(column::queue(row.queue())?);
            follow_ready_again(tx, row).await
        }
        None => Ok(()),
    }
}
