//! Limits, pauses and who runs what.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    id::{JobId, TaskId, TenantId, WorkerId},
    limits::WORKER_ALIVE,
    port::PortResult,
    queue::Queue,
    store::{Limit, LimitScope, LiveWorker, Operations, Pausable, RunningTask},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore, column,
    fault::{port, unreadable},
    write::Write,
};

#[async_trait]
impl Operations for SqliteStore {
    async fn limits(&self) -> PortResult<Vec<Limit>> {
        limits(&mut *self.reader().await?).await
    }

    async fn set_limit(&self, limit: &Limit) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        sqlx::query(
            "INSERT INTO limits (scope, name, most, kinds) VALUES (?, ?, ?, ?)
             ON CONFLICT (scope, name) DO UPDATE SET most = excluded.most, kinds = excluded.kinds",
        )
        .bind(limit.scope.as_str())
        .bind(&limit.name)
        .bind(limit.most)
        .bind(column::text(&limit.kinds)?)
        .execute(&mut *writer)
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool> {
        let mut writer = self.writer.lock().await;
        let gone = sqlx::query("DELETE FROM limits WHERE scope = ? AND name = ?")
            .bind(scope.as_str())
            .bind(name);
        Ok(gone.execute(&mut *writer).await.map_err(port)?.rows_affected() > 0)
    }

    async fn pauses(&self) -> PortResult<Vec<Pausable>> {
        pauses(&mut *self.reader().await?).await
    }

    async fn pause(&self, what: &Pausable) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let ((scope, name), now) = (what.scope_and_name(), write.now);
        sqlx::query(
            "INSERT INTO pauses (scope, name, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(scope)
        .bind(name)
        .bind(now)
        .execute(write.sql())
        .await
        .map_err(port)?;
        for queue in what.queues() {
            write.hold_back(queue).await?;
        }
        write.commit().await.map(drop)
    }

    async fn resume(&self, what: &Pausable) -> PortResult<bool> {
        let mut writer = self.writer.lock().await;
        let (scope, name) = what.scope_and_name();
        let gone =
            sqlx::query("DELETE FROM pauses WHERE scope = ? AND name = ?").bind(scope).bind(name);
        Ok(gone.execute(&mut *writer).await.map_err(port)?.rows_affected() > 0)
    }

    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>> {
        live_workers(&mut *self.reader().await?, self.now()).await
    }
}

/// All limits.
pub async fn limits(sql: &mut SqliteConnection) -> PortResult<Vec<Limit>> {
    let rows: Vec<(String, String, i64, String)> =
        sqlx::query_as("SELECT scope, name, most, kinds FROM limits ORDER BY scope, name")
            .fetch_all(sql)
            .await
            .map_err(port)?;
    let limit = |(scope, name, most, kinds): (String, String, i64, String)| {
        Ok(Limit {
            scope: LimitScope::parse(&scope).ok_or_else(|| unreadable("limits.scope", &scope))?,
            name,
            most: column::number("limits.most", most)?,
            kinds: column::json("limits.kinds", &kinds)?,
        })
    };
    rows.into_iter().map(limit).collect()
}

/// All that is paused.
pub async fn pauses(sql: &mut SqliteConnection) -> PortResult<Vec<Pausable>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT scope, name FROM pauses ORDER BY scope, name")
            .fetch_all(sql)
            .await
            .map_err(port)?;
    let pausable = |(scope, name): (String, String)| match scope.as_str() {
        "queue" => column::queue(&name).map(Pausable::Queue),
        _ => Ok(Pausable::Tenant(TenantId(name))),
    };
    rows.into_iter().map(pausable).collect()
}

#[derive(sqlx::FromRow)]
struct RunRow {
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
    let rows: Vec<RunRow> = sqlx::query_as(
        "SELECT worker, id, job, tenant, name, kind, queue, attempt, started_at, progress FROM tasks
         WHERE queue IN ('render', 'generate', 'light') AND state = 'running' ORDER BY started_at, id",
    )
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    for row in rows {
        runs.entry(row.worker).or_default().push(run(row)?);
    }
    let workers: Vec<(Uuid, String, bool, i64)> = sqlx::query_as(
        "SELECT id, name, draining, seen_at FROM workers WHERE seen_at > ? ORDER BY name, id",
    )
    .bind(now - column::millis(WORKER_ALIVE))
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let slots: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "SELECT worker, queue, slots FROM worker_slots WHERE slots > 0 ORDER BY worker",
    )
    .fetch_all(sql)
    .await
    .map_err(port)?;
    let slots_of = |worker: Uuid| -> PortResult<Vec<(Queue, u32)>> {
        let mine = slots.iter().filter(|(of, ..)| *of == worker);
        let mut mine = mine
            .map(|(_, queue, slots)| {
                Ok((column::queue(queue)?, column::number("worker_slots.slots", *slots)?))
            })
            .collect::<PortResult<Vec<_>>>()?;
        mine.sort_unstable();
        Ok(mine)
    };
    workers
        .into_iter()
        .map(|(id, name, draining, seen_at)| {
            Ok(LiveWorker {
                worker: WorkerId(id),
                name,
                slots: slots_of(id)?,
                draining,
                seen_at: column::time("workers.seen_at", seen_at)?,
                runs: runs.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

fn run(row: RunRow) -> PortResult<RunningTask> {
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
