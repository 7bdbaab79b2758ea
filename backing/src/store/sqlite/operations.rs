//! Limits, pauses, and the live workers with their running tasks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    id::{JobId, TaskId, TenantId, WorkerId},
    limits::WORKER_ALIVE,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::TaskEvent,
    store::{Limit, LimitScope, LiveWorker, Operations, Pausable, RunningTask},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore, cascade::commit, column, restrictions, statement::transition,
    transaction::WriteTransaction,
};

#[async_trait]
impl Operations for SqliteStore {
    async fn limits(&self) -> PortResult<Vec<Limit>> {
        restrictions::limits(&mut *self.reader().await?).await
    }

    async fn set_limit(&self, limit: &Limit) -> PortResult<()> {
        execute!(&mut *self.writer.lock().await,
            "INSERT INTO limits (scope, name, most, kinds) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope, name) DO UPDATE SET most = excluded.most, kinds = excluded.kinds";
            limit.scope.as_str(), &limit.name, limit.most, column::text(&limit.kinds)?)?;
        Ok(())
    }

    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool> {
        let removed = execute!(&mut *self.writer.lock().await,
            "DELETE FROM limits WHERE scope = ? AND name = ?"; scope.as_str(), name)?;
        Ok(removed > 0)
    }

    async fn pauses(&self) -> PortResult<Vec<Pausable>> {
        restrictions::pauses(&mut *self.reader().await?).await
    }

    async fn pause(&self, target: &Pausable) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let ((scope, name), now) = (target.scope_and_name(), tx.now);
        execute!(tx.sql(),
            "INSERT INTO pauses (scope, name, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
            scope, name, now)?;
        for queue in target.queues() {
            return_paused(&mut tx, queue).await?;
        }
        commit(tx).await.map(drop)
    }

    async fn resume(&self, target: &Pausable) -> PortResult<bool> {
        let (scope, name) = target.scope_and_name();
        let removed = execute!(&mut *self.writer.lock().await,
            "DELETE FROM pauses WHERE scope = ? AND name = ?"; scope, name)?;
        Ok(removed > 0)
    }

    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>> {
        live_workers(&mut *self.reader().await?, self.now()).await
    }
}

/// Returns queued tasks to `ready` if their queue or tenant is paused.
pub async fn return_paused(tx: &mut WriteTransaction<'_>, queue: Queue) -> PortResult<()> {
    let statement = transition(
        TaskEvent::HandBack,
        "UPDATE tasks SET state = {to}, queued_at = NULL
         WHERE queue = ?1 AND {from} AND EXISTS (SELECT 1 FROM pauses
             WHERE (scope = 'queue' AND name = ?1) OR (scope = 'tenant' AND name = tasks.tenant))",
    );
    execute!(tx.sql(), statement; queue.as_str())?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct RunningRow {
    worker: Uuid,
    id: Uuid,
    job: Uuid,
    tenant: String,
    name: String,
    kind: String,
    queue: String,
    attempt: i64,
    started_at: i64,
    progress: Option<String>,
}

async fn live_workers(sql: &mut SqliteConnection, now: i64) -> PortResult<Vec<LiveWorker>> {
    let mut runs: BTreeMap<Uuid, Vec<RunningTask>> = BTreeMap::new();
    let rows: Vec<RunningRow> = rows!(
        &mut *sql,
        "SELECT worker, id, job, tenant, name, kind, queue, attempt, started_at, progress
         FROM tasks WHERE queue IN ('render', 'generate', 'light') AND state = 'running'
         ORDER BY started_at, id"
    )?;
    for row in rows {
        runs.entry(row.worker).or_default().push(running_task(row)?);
    }
    let mut slots: BTreeMap<Uuid, Vec<(Queue, u32)>> = BTreeMap::new();
    let rows: Vec<(Uuid, String, u32)> =
        rows!(&mut *sql, "SELECT worker, queue, slots FROM worker_slots WHERE slots > 0")?;
    for (worker, queue, count) in rows {
        slots.entry(worker).or_default().push((column::queue(&queue)?, count));
    }
    slots.values_mut().for_each(|slots| slots.sort_unstable());
    let workers: Vec<(Uuid, String, bool, i64)> = rows!(sql,
        "SELECT id, name, draining, heartbeat_at FROM workers WHERE heartbeat_at > ?
         ORDER BY name, id";
        now - column::millis(WORKER_ALIVE))?;
    let worker = |(id, name, draining, heartbeat_at)| {
        Ok(LiveWorker {
            worker: WorkerId(id),
            name,
            slots: slots.remove(&id).unwrap_or_default(),
            draining,
            seen_at: column::time("workers.heartbeat_at", heartbeat_at)?,
            runs: runs.remove(&id).unwrap_or_default(),
        })
    };
    workers.into_iter().map(worker).collect()
}

fn running_task(row: RunningRow) -> PortResult<RunningTask> {
    Ok(RunningTask {
        task: TaskId(row.id),
        job: JobId(row.job),
        tenant: TenantId(row.tenant),
        name: row.name,
        kind: row.kind,
        queue: column::queue(&row.queue)?,
        attempt: column::number("tasks.attempt", row.attempt)?,
        started_at: column::time("tasks.started_at", row.started_at)?,
        progress: column::maybe_json("tasks.progress", row.progress.as_deref())?,
    })
}
