//! The part of the store that workers use.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use common::{
    id::{Fence, TaskId, WorkerId},
    outcome::Settlement,
    port::PortResult,
    rules::lifecycle::TaskEvent,
    store::{Changes, Claimed, Heartbeat, HeartbeatReply, Leases, Settled, WorkerRegistration},
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    SqliteStore,
    cascade::commit,
    claim, column,
    restrictions::WorkerKinds,
    settle::settle,
    tasks::{held, make_ready},
    transaction::Transaction,
    views,
};

#[async_trait]
impl Leases for SqliteStore {
    async fn claim(
        &self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        let mut tx = self.write().await?;
        let lease_until = tx.now + column::millis(lease);
        let mut jobs = Vec::with_capacity(tasks.len());
        let kinds = claim::kinds_of(tx.sql(), worker).await?;
        for task in tasks {
            if claim::hand_back_unfit(&mut tx, &kinds, *task).await? {
                jobs.push(None);
                continue;
            }
            jobs.push(claim::start(&mut tx, worker, *task, lease_until).await?);
        }
        let started: BTreeSet<Uuid> = jobs.iter().flatten().copied().collect();
        let (started, now): (Vec<Uuid>, i64) = (started.into_iter().collect(), tx.now);
        let views = views::load(tx.sql(), &started, now).await?;
        let mut claimed = Vec::with_capacity(tasks.len());
        for (task, job) in tasks.iter().zip(jobs) {
            let view = job.and_then(|job| views.get(&job).cloned());
            claimed.push(match view {
                Some(view) => Some(claim::read(&mut tx, *task, view).await?),
                None => None,
            });
        }
        commit(tx).await?;
        Ok(claimed)
    }

    async fn heartbeat(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let mut tx = self.write().await?;
        register(&mut tx, registration).await?;
        let lease_until = tx.now + column::millis(lease);
        let mut replies = Vec::with_capacity(heartbeats.len());
        for Heartbeat { task, fence, progress } in heartbeats {
            let cancel_requested: Option<bool> = maybe_value!(tx.sql(),
                "UPDATE tasks SET lease_until = max(lease_until, ?),
                     progress = coalesce(?, progress)
                 WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'
                 RETURNING cancel_requested";
                lease_until, progress.as_ref().map(Json), task.0, registration.worker.0, fence.0)?;
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
        let mut tx = self.write().await?;
        let mut settled = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            settled.push(settle(&mut tx, worker, settlement).await?);
        }
        Ok((settled, commit(tx).await?))
    }

    async fn release(&self, worker: WorkerId, tasks: &[(TaskId, Fence)]) -> PortResult<Changes> {
        let mut tx = self.write().await?;
        for (task, fence) in tasks {
            if let Some((queue, _)) = held(&mut tx, worker, *task, *fence).await? {
                *tx.effects.attempts_ended.entry(queue).or_default() += 1;
                let now = tx.now;
                make_ready(&mut tx, task.0, TaskEvent::Release, now).await?;
            }
        }
        commit(tx).await
    }
}

/// Stores the worker and its slots.
async fn register(tx: &mut Transaction, registration: &WorkerRegistration) -> PortResult<()> {
    let worker = registration.worker.0;
    let kinds = WorkerKinds::of(registration).map(Json);
    execute!(tx.sql(),
        "INSERT INTO workers (id, name, draining, heartbeat_at, kinds) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, draining = excluded.draining,
             heartbeat_at = excluded.heartbeat_at, kinds = excluded.kinds";
        worker, &registration.name, registration.draining, tx.now, kinds)?;
    execute!(tx.sql(), "DELETE FROM worker_slots WHERE worker = ?"; worker)?;
    for (queue, slots) in &registration.slots {
        execute!(tx.sql(),
            "INSERT INTO worker_slots (worker, queue, slots) VALUES (?, ?, ?)
             ON CONFLICT (worker, queue) DO UPDATE SET slots = excluded.slots";
            worker, queue.as_str(), slots)?;
    }
    Ok(())
}
