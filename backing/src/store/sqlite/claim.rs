//! A worker takes queued tasks, each with all that an attempt needs.

use std::{collections::BTreeSet, time::Duration};

use common::{
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    plan::Overrides,
    port::PortResult,
    store::{Claimed, NeedOutcome},
    view::JobView,
};
use uuid::Uuid;

use super::{column, fault::port, job_view, write::Write};
use crate::store::reason;

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: Uuid,
    job: Uuid,
    tenant: String,
    name: String,
    kind: String,
    kind_version: i64,
    input_of: Uuid,
    needs: i64,
    fence: i64,
    attempt: i64,
    max_attempts: i64,
    losses: i64,
    timeout_ms: i64,
}

#[derive(sqlx::FromRow)]
struct GivenRow {
    input: String,
    result_task: Uuid,
    overrides: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NeedRow {
    name: String,
    output: Option<String>,
    error: Option<String>,
}

impl Write<'_> {
    /// Claims what is queued of these, in their order.
    pub async fn claim(
        &mut self,
        worker: WorkerId,
        tasks: &[TaskId],
        lease: Duration,
    ) -> PortResult<Vec<Option<Claimed>>> {
        let mut rows = Vec::with_capacity(tasks.len());
        for task in tasks {
            rows.push(self.claim_row(worker, *task, lease).await?);
        }
        let jobs: BTreeSet<Uuid> = rows.iter().flatten().map(|row| row.job).collect();
        for row in rows.iter().flatten() {
            self.start_job(row.job).await?;
        }
        let jobs: Vec<Uuid> = jobs.into_iter().collect();
        let now = self.now;
        let views = job_view::load(self.sql(), &jobs, now).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for row in rows {
            claimed.push(match row {
                Some(row) => match views.get(&row.job).cloned() {
                    Some(view) => Some(self.claimed(row, view).await?),
                    None => None,
                },
                None => None,
            });
        }
        Ok(claimed)
    }

    async fn claim_row(
        &mut self,
        worker: WorkerId,
        task: TaskId,
        lease: Duration,
    ) -> PortResult<Option<ClaimedRow>> {
        sqlx::query_as(
            "UPDATE tasks SET state = 'running', worker = ?, fence = fence + 1, attempt = attempt + 1, lease_until = ?,
                 started_at = ?, progress = NULL, cancel_requested = 0
             WHERE id = ? AND state = 'queued'
             RETURNING id, job, tenant, name, kind, kind_version, input_of, needs, fence, attempt, max_attempts, losses,
                 timeout_ms",
        )
        .bind(worker.0)
        .bind(self.now + column::millis(lease))
        .bind(self.now)
        .bind(task.0)
        .fetch_optional(self.sql())
        .await
        .map_err(port)
    }

    /// Counts an attempt. Only the first one changes what the job's row says of its state, and so its version.
    async fn start_job(&mut self, job: Uuid) -> PortResult<()> {
        sqlx::query(
            "UPDATE jobs SET attempts = attempts + 1, version = version + (status = 'queued'), status = 'running',
                 started_at = coalesce(started_at, ?)
             WHERE id = ?",
        )
        .bind(self.now)
        .bind(job)
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn claimed(&mut self, row: ClaimedRow, view: JobView) -> PortResult<Claimed> {
        let given: GivenRow = sqlx::query_as(
            "SELECT inputs.input, jobs.result_task, jobs.overrides FROM jobs JOIN inputs ON inputs.owner = ?
             WHERE jobs.id = ?",
        )
        .bind(row.input_of)
        .bind(row.job)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        let needs = if row.needs > 0 { self.need_outcomes(row.id).await? } else { Vec::new() };
        let overrides: Option<Overrides> =
            column::maybe_json("jobs.overrides", given.overrides.as_deref())?;
        Ok(Claimed {
            task: TaskId(row.id),
            job: JobId(row.job),
            tenant: TenantId(row.tenant),
            name: row.name,
            kind: row.kind,
            kind_version: column::number("tasks.kind_version", row.kind_version)?,
            input: column::json("inputs.input", &given.input)?,
            needs,
            result: given.result_task == row.id,
            fence: Fence(row.fence),
            attempt: column::number("tasks.attempt", row.attempt)?,
            max_attempts: column::number("tasks.max_attempts", row.max_attempts)?,
            losses: column::number("tasks.losses", row.losses)?,
            timeout: column::duration(row.timeout_ms),
            overrides: overrides.unwrap_or_default(),
            view,
        })
    }

    async fn need_outcomes(&mut self, task: Uuid) -> PortResult<Vec<NeedOutcome>> {
        let rows: Vec<NeedRow> = sqlx::query_as(
            "SELECT need.name, need.output, need.error FROM edges JOIN tasks AS need ON need.id = edges.need
             WHERE edges.task = ? ORDER BY edges.place",
        )
        .bind(task)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        rows.into_iter()
            .map(|row| {
                let result = match row.output {
                    Some(output) => Ok(column::json("tasks.output", &output)?),
                    None => Err(column::maybe_json("tasks.error", row.error.as_deref())?
                        .unwrap_or_else(reason::cancelled)),
                };
                Ok(NeedOutcome { name: row.name, result })
            })
            .collect()
    }
}
