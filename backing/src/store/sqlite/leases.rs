//! The part of the store that workers use.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use common::{
    error::JobError,
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    outcome::Settlement,
    port::PortResult,
    rules::lifecycle::TaskEvent,
    store::{
        Changes, Claimed, Heartbeat, HeartbeatReply, Leases, NeedOutcome, Settled,
        WorkerRegistration,
    },
    view::JobView,
};
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{
    SqliteStore,
    cascade::commit,
    column::{self, Columns},
    errors::port,
    settle::settle,
    statement::transition,
    tasks::{held, make_ready},
    transaction::Transaction,
    views,
};
use crate::store::reason;

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
        for task in tasks {
            jobs.push(start(&mut tx, worker, *task, lease_until).await?);
        }
        let started: BTreeSet<Uuid> = jobs.iter().flatten().copied().collect();
        let (started, now): (Vec<Uuid>, i64) = (started.into_iter().collect(), tx.now);
        let views = views::load(tx.sql(), &started, now).await?;
        let mut claimed = Vec::with_capacity(tasks.len());
        for (task, job) in tasks.iter().zip(jobs) {
            let view = job.and_then(|job| views.get(&job).cloned());
            claimed.push(match view {
                Some(view) => Some(read_claim(&mut tx, *task, view).await?),
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

/// Starts an attempt of a queued task, and returns its job. Only a job's first attempt changes its
/// status, and so its version.
async fn start(
    tx: &mut Transaction,
    worker: WorkerId,
    task: TaskId,
    lease_until: i64,
) -> PortResult<Option<Uuid>> {
    let statement = transition(
        TaskEvent::Claim,
        "UPDATE tasks SET state = {to}, worker = ?, fence = fence + 1, attempt = attempt + 1,
             lease_until = ?, started_at = ?, progress = NULL, cancel_requested = 0
         WHERE id = ? AND {from} RETURNING job",
    );
    let job: Option<Uuid> =
        maybe_value!(tx.sql(), statement; worker.0, lease_until, tx.now, task.0)?;
    if let Some(job) = job {
        execute!(tx.sql(),
            "UPDATE jobs SET attempts = attempts + 1, version = version + (status = 'queued'),
                 status = 'running', started_at = coalesce(started_at, ?)
             WHERE id = ?";
            tx.now, job)?;
    }
    Ok(job)
}

/// Reads a claimed task with all that its attempt needs.
async fn read_claim(tx: &mut Transaction, task: TaskId, view: JobView) -> PortResult<Claimed> {
    let row: SqliteRow = row!(tx.sql(),
        "SELECT tasks.id, job, tasks.tenant, name, tasks.kind, kind_version, fence, attempt,
             max_attempts, losses, timeout_ms, needs, tasks.id = result_task AS result, overrides,
             input
         FROM tasks JOIN jobs ON jobs.id = tasks.job JOIN inputs ON inputs.owner = tasks.input_of
         WHERE tasks.id = ?";
        task.0 => Ok)?;
    let mut claimed = claimed(&row, view).map_err(port)?;
    if row.get::<i64, _>("needs") > 0 {
        claimed.needs = rows!(tx.sql(),
            "SELECT need.name, need.output, need.error
             FROM edges JOIN tasks AS need ON need.id = edges.need
             WHERE edges.task = ? ORDER BY edges.place";
            task.0 => need_outcome)?;
    }
    Ok(claimed)
}

fn claimed(row: &SqliteRow, view: JobView) -> sqlx::Result<Claimed> {
    Ok(Claimed {
        task: TaskId(row.try_get("id")?),
        job: JobId(row.try_get("job")?),
        tenant: TenantId(row.try_get("tenant")?),
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        kind_version: row.try_get("kind_version")?,
        input: row.json("input")?,
        needs: Vec::new(),
        result: row.try_get("result")?,
        fence: Fence(row.try_get("fence")?),
        attempt: row.try_get("attempt")?,
        max_attempts: row.try_get("max_attempts")?,
        losses: row.try_get("losses")?,
        timeout: Duration::from_millis(row.try_get("timeout_ms")?),
        overrides: row.maybe_json("overrides")?.unwrap_or_default(),
        view,
    })
}

fn need_outcome(row: SqliteRow) -> sqlx::Result<NeedOutcome> {
    let output: Option<Value> = row.maybe_json("output")?;
    let error: Option<JobError> = row.maybe_json("error")?;
    let result = output.ok_or_else(|| error.unwrap_or_else(reason::cancelled));
    Ok(NeedOutcome { name: row.try_get("name")?, result })
}

/// Stores the worker and its slots.
async fn register(tx: &mut Transaction, registration: &WorkerRegistration) -> PortResult<()> {
    let worker = registration.worker.0;
    execute!(tx.sql(),
        "INSERT INTO workers (id, name, draining, heartbeat_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, draining = excluded.draining,
             heartbeat_at = excluded.heartbeat_at";
        worker, &registration.name, registration.draining, tx.now)?;
    execute!(tx.sql(), "DELETE FROM worker_slots WHERE worker = ?"; worker)?;
    for (queue, slots) in &registration.slots {
        execute!(tx.sql(),
            "INSERT INTO worker_slots (worker, queue, slots) VALUES (?, ?, ?)
             ON CONFLICT (worker, queue) DO UPDATE SET slots = excluded.slots";
            worker, queue.as_str(), slots)?;
    }
    Ok(())
}
