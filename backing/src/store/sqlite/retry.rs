//! Running again what did not succeed, as tasks of the next generation: a task row settles once.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TaskId, TenantId},
    port::PortResult,
    store::Target,
};
use uuid::Uuid;

use super::{column, fate::Kinds, fault::port, items, write::Write};

impl Write<'_> {
    /// How many jobs run again, or `None` if the tenant has no such target.
    pub async fn retry(&mut self, tenant: &TenantId, target: Target) -> PortResult<Option<u32>> {
        if !items::has(self.sql(), tenant, target).await? {
            return Ok(None);
        }
        let jobs: Vec<Uuid> = match target {
            Target::Job(JobId(job)) => {
                sqlx::query_scalar("SELECT id FROM jobs WHERE id = ? AND status IN ('failed', 'cancelled')")
                    .bind(job)
                    .fetch_all(self.sql())
                    .await
            }
            Target::Batch(BatchId(batch)) => {
                sqlx::query_scalar(
                    "SELECT id FROM jobs WHERE batch = ? AND status IN ('failed', 'cancelled') ORDER BY item",
                )
                .bind(batch)
                .fetch_all(self.sql())
                .await
            }
        }
        .map_err(port)?;
        for job in &jobs {
            self.retry_job(*job).await?;
        }
        Ok(Some(u32::try_from(jobs.len()).unwrap_or(u32::MAX)))
    }

    async fn retry_job(&mut self, job: Uuid) -> PortResult<()> {
        let (generation, result, kinds, batch): (u32, Uuid, String, Option<Uuid>) = sqlx::query_as(
            "SELECT generation + 1, result_task, kinds, batch FROM jobs WHERE id = ?",
        )
        .bind(job)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        let again: Vec<(Uuid, String)> = sqlx::query_as(
            "SELECT id, kind FROM tasks WHERE job = ? AND NOT replaced AND state IN ('failed', 'cancelled') ORDER BY place",
        )
        .bind(job)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        let ids: BTreeMap<Uuid, Uuid> =
            again.iter().map(|(task, _)| (*task, TaskId::derive(*task, generation).0)).collect();
        let mut kinds: Kinds = column::json("jobs.kinds", &kinds)?;
        for (_, kind) in &again {
            kinds.entry(kind.clone()).or_default().1 -= 1;
        }
        self.reopen_job(
            job,
            ids.get(&result).copied().unwrap_or(result),
            again.len() as i64,
            &kinds,
        )
        .await?;
        if let Some(batch) = batch {
            self.reopen_item(batch).await?;
        }
        for (task, _) in &again {
            self.copy_task(*task, ids[task]).await?;
        }
        for (task, _) in &again {
            self.copy_edges(*task, ids[task], &ids).await?;
        }
        for (task, _) in &again {
            self.set_out_waiting(ids[task]).await?;
        }
        Ok(())
    }

    async fn reopen_job(
        &mut self,
        job: Uuid,
        result: Uuid,
        open: i64,
        kinds: &Kinds,
    ) -> PortResult<()> {
        sqlx::query(
            "UPDATE jobs SET version = version + 1, generation = generation + 1, status = 'queued', result_task = ?,
                 open_tasks = ?, kinds = ?, cancel_requested = 0, doomed = 0, error = NULL, started_at = NULL,
                 finished_at = NULL
             WHERE id = ?",
        )
        .bind(result)
        .bind(open)
        .bind(column::text(kinds)?)
        .bind(job)
        .execute(self.sql())
        .await
        .map_err(port)?;
        self.changes(job);
        Ok(())
    }

    async fn reopen_item(&mut self, batch: Uuid) -> PortResult<()> {
        sqlx::query("UPDATE batches SET rejected = rejected - 1, settled_at = NULL WHERE id = ?")
            .bind(batch)
            .execute(self.sql())
            .await
            .map_err(port)?;
        Ok(())
    }

    async fn copy_task(&mut self, old: Uuid, new: Uuid) -> PortResult<()> {
        sqlx::query(
            "INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version, queue, priority, lane, state, input_of,
                 input_key, needs_left, needs, needed, run_at, timeout_ms, max_attempts, created_at)
             SELECT ?1, tasks.job, tasks.tenant, place, name, tasks.kind, kind_version, queue, jobs.priority, lane, 'waiting',
                 input_of, input_key, 0, needs, needed, ?2, timeout_ms, max_attempts, ?2
             FROM tasks JOIN jobs ON jobs.id = tasks.job WHERE tasks.id = ?3",
        )
        .bind(new)
        .bind(self.now)
        .bind(old)
        .execute(self.sql())
        .await
        .map_err(port)?;
        let replaced = sqlx::query("UPDATE tasks SET replaced = 1 WHERE id = ?");
        replaced.bind(old).execute(self.sql()).await.map_err(port)?;
        Ok(())
    }

    /// The new task needs what the old one needed: what succeeded as it is, anything else in its new generation.
    async fn copy_edges(
        &mut self,
        old: Uuid,
        new: Uuid,
        ids: &BTreeMap<Uuid, Uuid>,
    ) -> PortResult<()> {
        let edges: Vec<(i64, Uuid, String)> = sqlx::query_as(
            "SELECT place, need, on_failure FROM edges WHERE task = ? ORDER BY place",
        )
        .bind(old)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        let mut open = 0_i64;
        for (place, need, on_failure) in edges {
            open += i64::from(ids.contains_key(&need));
            sqlx::query("INSERT INTO edges (task, place, need, on_failure) VALUES (?, ?, ?, ?)")
                .bind(new)
                .bind(place)
                .bind(ids.get(&need).copied().unwrap_or(need))
                .bind(on_failure)
                .execute(self.sql())
                .await
                .map_err(port)?;
        }
        let needs = sqlx::query("UPDATE tasks SET needs_left = ? WHERE id = ?");
        needs.bind(open).bind(new).execute(self.sql()).await.map_err(port)?;
        Ok(())
    }
}
