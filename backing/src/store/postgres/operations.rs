//! Limits, pauses, and the live workers with what they run.

use async_trait::async_trait;
use common::{
    id::{JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    queue::Queue,
    store::{Limit, LimitScope, LiveWorker, Operations, Pausable, Pause, RunningTask},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, int},
    errors::unreadable,
};

#[async_trait]
impl Operations for PgStore {
    async fn limits(&self) -> PortResult<Vec<Limit>> {
        let sql = "SELECT scope, name, most, kinds FROM spool.limits ORDER BY scope, name";
        self.work(sqlx::query_as(sql).fetch_all(&self.work)).await?.into_iter().map(limit).collect()
    }

    async fn set_limit(&self, limit: &Limit) -> PortResult<()> {
        let query = sqlx::query(
            "INSERT INTO spool.limits (scope, name, most, kinds) VALUES ($1, $2, $3, $4)
             ON CONFLICT (scope, name) DO UPDATE SET most = excluded.most, kinds = excluded.kinds",
        )
        .bind(limit.scope.as_str())
        .bind(limit.name.clone())
        .bind(int(limit.most))
        .bind(limit.kinds.clone());
        self.work(query.execute(&self.work)).await.map(drop)
    }

    async fn unset_limit(&self, scope: LimitScope, name: &str) -> PortResult<bool> {
        let query = sqlx::query("DELETE FROM spool.limits WHERE scope = $1 AND name = $2")
            .bind(scope.as_str())
            .bind(name.to_owned());
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() > 0)
    }

    async fn pauses(&self) -> PortResult<Vec<Pause>> {
        let sql = "SELECT scope, name, since, paused_by FROM spool.pauses ORDER BY scope, name";
        let rows = self.work(sqlx::query_as(sql).fetch_all(&self.work)).await?;
        rows.into_iter().map(pause).collect()
    }

    async fn pause(&self, target: &Pausable, by: Option<&str>) -> PortResult<()> {
        let (scope, name) = target.scope_and_name();
        let query = sqlx::query(
            "INSERT INTO spool.pauses (scope, name, since, paused_by)
                 VALUES ($1, $2, spool.now_ms(), $3) ON CONFLICT DO NOTHING",
        )
        .bind(scope)
        .bind(name.to_owned())
        .bind(by.map(str::to_owned));
        self.work(query.execute(&self.work)).await?;
        // One queue after another: each statement locks its tasks in the order of ids.
        for queue in target.queues() {
            let query =
                sqlx::query("SELECT spool.return_paused($1::spool.queue)").bind(queue.as_str());
            self.work(query.execute(&self.work)).await?;
        }
        Ok(())
    }

    async fn resume(&self, target: &Pausable) -> PortResult<bool> {
        let (scope, name) = target.scope_and_name();
        let query = sqlx::query("DELETE FROM spool.pauses WHERE scope = $1 AND name = $2")
            .bind(scope)
            .bind(name.to_owned());
        Ok(self.work(query.execute(&self.work)).await?.rows_affected() > 0)
    }

    async fn live_workers(&self) -> PortResult<Vec<LiveWorker>> {
        let query = sqlx::query(
            "SELECT worker, worker_name, heartbeat_at, render, generate, light, draining,
                 task, job, tenant, name, kind, queue, attempt, started_at, progress, stage
             FROM spool.live_workers()",
        );
        let mut workers: Vec<LiveWorker> = Vec::new();
        for row in &self.work(query.fetch_all(&self.work)).await? {
            let mut cells = Cells::of(row);
            let worker = live_worker(&mut cells)?;
            if workers.last().is_none_or(|last| last.worker != worker.worker) {
                workers.push(worker);
            }
            if let (Some(last), Some(run)) = (workers.last_mut(), run(&mut cells)?) {
                last.runs.push(run);
            }
        }
        Ok(workers)
    }
}

fn limit((scope, name, most, kinds): (String, String, i32, Vec<String>)) -> PortResult<Limit> {
    let scope = LimitScope::parse(&scope).ok_or_else(|| unreadable("limits.scope", &scope))?;
    let most = u32::try_from(most).map_err(|_| unreadable("limits.most", most))?;
    Ok(Limit { scope, name, most, kinds })
}

fn pause((scope, name, since, by): (String, String, i64, Option<String>)) -> PortResult<Pause> {
    let target = match (scope.as_str(), Queue::parse(&name)) {
        ("queue", Some(queue)) => Pausable::Queue(queue),
        ("tenant", _) => Pausable::Tenant(TenantId(name)),
        _ => return Err(unreadable("pauses", format!("{scope} {name}"))),
    };
    Ok(Pause { target, since: column::time("pauses.since", since)?, by })
}

fn live_worker(cells: &mut Cells<'_>) -> PortResult<LiveWorker> {
    let (worker, name): (Uuid, String) = (cells.take()?, cells.take()?);
    let seen_at = cells.time("workers.heartbeat_at")?;
    let mut slots = Vec::new();
    for queue in Queue::ALL {
        let of_queue: u32 = cells.number::<i32, _>("workers.slots")?;
        slots.extend((of_queue > 0).then_some((queue, of_queue)));
    }
    Ok(LiveWorker {
        worker: WorkerId(worker),
        name,
        slots,
        draining: cells.take()?,
        seen_at,
        runs: Vec::new(),
    })
}

/// Reads the rest of the row: the task that the worker runs, if any.
fn run(cells: &mut Cells<'_>) -> PortResult<Option<RunningTask>> {
    let Some(task) = cells.take::<Option<Uuid>>()? else {
        return Ok(None);
    };
    let (job, tenant, name, kind): (Uuid, String, String, String) =
        (cells.take()?, cells.take()?, cells.take()?, cells.take()?);
    let queue: String = cells.take()?;
    Ok(Some(RunningTask {
        task: TaskId(task),
        job: JobId(job),
        tenant: TenantId(tenant),
        name,
        kind,
        queue: column::queue(&queue)?,
        attempt: cells.number::<i16, _>("tasks.attempt")?,
        started_at: cells.time("tasks.started_at")?,
        progress: column::progress(cells.take()?, cells.take()?),
    }))
}
