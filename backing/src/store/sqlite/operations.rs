//! The part of the store that operators use.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    id::{JobId, TaskId, TenantId, WorkerId},
    limits::WORKER_ALIVE,
    port::PortResult,
    queue::Queue,
    store::{Limit, LimitScope, LiveWorker, Operations, Pausable, Pause, RunningTask},
};
use sqlx::{Row, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{
    SqliteStore,
    column::{self, Columns},
    restrictions,
};

#[async_trait]
impl Operations for SqliteStore {
    async fn limits(&self) -> PortResult<Vec<Limit>> {
        restrictions::limits(&mut *self.reader().await?).await
    }

    async fn set_limit(&self, limit: &Limit) -> PortResult<()> {
        execute!(&self.writer,
            "REPLACE INTO limits (scope, name, most, kinds) VALUES (?, ?, ?, ?)";
            limit.scope.as_str(), &limit.name, limit.most, Json(&limit.kinds))
        .map(drop)
    }

    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool> {
        let removed = execute!(&self.writer,
            "DELETE FROM limits WHERE scope = ? AND name = ?"; scope.as_str(), name)?;
        Ok(removed > 0)
    }

    async fn pauses(&self) -> PortResult<Vec<Pause>> {
        restrictions::pauses(&mut *self.reader().await?).await
    }

    async fn pause(&self, target: &Pausable, by: Option<&str>) -> PortResult<()> {
        let mut tx = self.write().await?;
        let (scope, name) = target.scope_and_name();
        execute!(tx.sql(),
            "INSERT INTO pauses (scope, name, since, paused_by) VALUES (?, ?, ?, ?)
             ON CONFLICT DO NOTHING";
            scope, name, tx.now, by)?;
        for queue in target.queues() {
            restrictions::return_paused(tx.sql(), queue).await?;
        }
        tx.end().await
    }

    async fn resume(&self, target: &Pausable) -> PortResult<bool> {
        let (scope, name) = target.scope_and_name();
        let removed = execute!(&self.writer,
            "DELETE FROM pauses WHERE scope = ? AND name = ?"; scope, name)?;
        Ok(removed > 0)
    }

    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>> {
        let mut reader = self.reader().await?;
        let running = rows!(&mut *reader,
            "SELECT worker, id, job, tenant, name, kind, queue, attempt, started_at, progress
             FROM tasks WHERE queue IN ('render', 'generate', 'light') AND state = 'running'
             ORDER BY started_at, id"; => running_task)?;
        let mut runs: BTreeMap<Uuid, Vec<RunningTask>> = BTreeMap::new();
        running.into_iter().for_each(|(worker, run)| runs.entry(worker).or_default().push(run));
        let mut slots: BTreeMap<Uuid, Vec<(Queue, u32)>> = BTreeMap::new();
        let rows: Vec<(Uuid, String, u32)> =
            rows!(&mut *reader, "SELECT worker, queue, slots FROM worker_slots WHERE slots > 0")?;
        for (worker, queue, count) in rows {
            slots.entry(worker).or_default().push((column::queue(&queue)?, count));
        }
        slots.values_mut().for_each(|slots| slots.sort_unstable());
        let worker = |row: SqliteRow| {
            let id = row.try_get("id")?;
            Ok(LiveWorker {
                worker: WorkerId(id),
                name: row.try_get("name")?,
                slots: slots.remove(&id).unwrap_or_default(),
                draining: row.try_get("draining")?,
                seen_at: row.time("heartbeat_at")?,
                runs: runs.remove(&id).unwrap_or_default(),
            })
        };
        rows!(&mut *reader,
            "SELECT id, name, draining, heartbeat_at FROM workers WHERE heartbeat_at > ?
             ORDER BY name, id";
            self.now() - column::millis(WORKER_ALIVE) => worker)
    }
}

/// Reads a running task and its worker.
fn running_task(row: SqliteRow) -> sqlx::Result<(Uuid, RunningTask)> {
    let task = RunningTask {
        task: TaskId(row.try_get("id")?),
        job: JobId(row.try_get("job")?),
        tenant: TenantId(row.try_get("tenant")?),
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        queue: row.spelled("queue", Queue::parse)?,
        attempt: row.try_get("attempt")?,
        started_at: row.time("started_at")?,
        progress: row.json("progress").ok().flatten(),
    };
    Ok((row.try_get("worker")?, task))
}
