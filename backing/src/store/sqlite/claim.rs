//! Claiming queued tasks, each with all that an attempt needs.

use std::{collections::BTreeSet, time::Duration};

use common::{
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    rules::lifecycle::TaskEvent,
    store::{Claimed, NeedOutcome},
    view::JobView,
};
use uuid::Uuid;

use super::{column, job_views, statement::transition, transaction::WriteTransaction};
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

/// Claims the queued ones of these tasks, in their order.
pub async fn claim(
    tx: &mut WriteTransaction<'_>,
    worker: WorkerId,
    tasks: &[TaskId],
    lease: Duration,
) -> PortResult<Vec<Option<Claimed>>> {
    let mut rows = Vec::with_capacity(tasks.len());
    for task in tasks {
        rows.push(claim_row(tx, worker, *task, lease).await?);
    }
    for row in rows.iter().flatten() {
        start_job(tx, row.job).await?;
    }
    let jobs: BTreeSet<Uuid> = rows.iter().flatten().map(|row| row.job).collect();
    let (jobs, now): (Vec<Uuid>, i64) = (jobs.into_iter().collect(), tx.now);
    let views = job_views::load(tx.sql(), &jobs, now).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let view = row.as_ref().and_then(|row| views.get(&row.job).cloned());
        claimed.push(match row.zip(view) {
            Some((row, view)) => Some(with_input(tx, row, view).await?),
            None => None,
        });
    }
    Ok(claimed)
}

async fn claim_row(
    tx: &mut WriteTransaction<'_>,
    worker: WorkerId,
    task: TaskId,
    lease: Duration,
) -> PortResult<Option<ClaimedRow>> {
    let statement = transition(
        TaskEvent::Claim,
        "UPDATE tasks SET state = {to}, worker = ?, fence = fence + 1, attempt = attempt + 1,
             lease_until = ?, started_at = ?, progress = NULL, cancel_requested = 0
         WHERE id = ? AND {from}
         RETURNING id, job, tenant, name, kind, kind_version, input_of, needs, fence, attempt,
             max_attempts, losses, timeout_ms",
    );
    let (now, lease_until) = (tx.now, tx.now + column::millis(lease));
    maybe_row!(tx.sql(), statement; worker.0, lease_until, now, task.0)
}

/// Counts an attempt of a job. Only the first one changes its status, and so its version.
async fn start_job(tx: &mut WriteTransaction<'_>, job: Uuid) -> PortResult<()> {
    let now = tx.now;
    execute!(tx.sql(),
        "UPDATE jobs SET attempts = attempts + 1, version = version + (status = 'queued'),
             status = 'running', started_at = coalesce(started_at, ?)
         WHERE id = ?";
        now, job)?;
    Ok(())
}

async fn with_input(
    tx: &mut WriteTransaction<'_>,
    row: ClaimedRow,
    view: JobView,
) -> PortResult<Claimed> {
    let (input, result_task, overrides): (String, Uuid, Option<String>) = row!(tx.sql(),
        "SELECT inputs.input, jobs.result_task, jobs.overrides
         FROM jobs JOIN inputs ON inputs.owner = ? WHERE jobs.id = ?";
        row.input_of, row.job)?;
    let needs = if row.needs > 0 { need_outcomes(tx, row.id).await? } else { Vec::new() };
    Ok(Claimed {
        task: TaskId(row.id),
        job: JobId(row.job),
        tenant: TenantId(row.tenant),
        name: row.name,
        kind: row.kind,
        kind_version: column::number("tasks.kind_version", row.kind_version)?,
        input: column::json("inputs.input", &input)?,
        needs,
        result: result_task == row.id,
        fence: Fence(row.fence),
        attempt: column::number("tasks.attempt", row.attempt)?,
        max_attempts: column::number("tasks.max_attempts", row.max_attempts)?,
        losses: column::number("tasks.losses", row.losses)?,
        timeout: column::duration(row.timeout_ms),
        overrides: column::maybe_json("jobs.overrides", overrides.as_deref())?.unwrap_or_default(),
        view,
    })
}

async fn need_outcomes(tx: &mut WriteTransaction<'_>, task: Uuid) -> PortResult<Vec<NeedOutcome>> {
    let rows: Vec<(String, Option<String>, Option<String>)> = rows!(tx.sql(),
        "SELECT need.name, need.output, need.error
         FROM edges JOIN tasks AS need ON need.id = edges.need
         WHERE edges.task = ? ORDER BY edges.place";
        task)?;
    rows.into_iter()
        .map(|(name, output, error)| {
            let result = match output {
                Some(output) => Ok(column::json("tasks.output", &output)?),
                None => Err(column::maybe_json("tasks.error", error.as_deref())?
                    .unwrap_or_else(reason::cancelled)),
            };
            Ok(NeedOutcome { name, result })
        })
        .collect()
}
