//! Claims queued tasks, each with all that an attempt needs.

use std::time::Duration;

use common::{
    error::JobError,
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    limits::UNFIT_PAUSE,
    port::PortResult,
    rules::lifecycle::TaskEvent,
    store::{Claimed, NeedOutcome},
    view::JobView,
};
use serde_json::Value;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{
    column::{self, Columns},
    errors::port,
    restrictions::WorkerKinds,
    statement::transition,
    transaction::Transaction,
};
use crate::store::reason;

/// The kinds that a worker has registered.
pub async fn kinds_of(sql: &mut SqliteConnection, worker: WorkerId) -> PortResult<WorkerKinds> {
    let kinds: Option<Option<Json<WorkerKinds>>> =
        maybe_value!(sql, "SELECT kinds FROM workers WHERE id = ?"; worker.0)?;
    Ok(kinds.flatten().map(|Json(kinds)| kinds).unwrap_or_default())
}

/// Makes a queued task ready again, in a moment, if a worker with these kinds can't run it. Returns
/// whether it can't.
pub async fn hand_back_unfit(
    tx: &mut Transaction,
    kinds: &WorkerKinds,
    task: TaskId,
) -> PortResult<bool> {
    let found: Option<(String, u32)> = maybe_row!(tx.sql(),
        "SELECT kind, kind_version FROM tasks WHERE id = ? AND state = 'queued'";
        task.0)?;
    let Some((kind, version)) = found.filter(|(kind, version)| !kinds.knows(kind, *version)) else {
        return Ok(false);
    };
    tracing::debug!(%task, kind, version, "handed back: this worker does not run it");
    let statement = transition(
        TaskEvent::HandBack,
        "UPDATE tasks SET state = {to}, queued_at = NULL, run_at = ? WHERE id = ? AND {from}",
    );
    execute!(tx.sql(), statement; tx.now + column::millis(UNFIT_PAUSE), task.0)?;
    Ok(true)
}

/// Starts an attempt of a queued task, and returns its job. Only a job's first attempt changes its
/// status, and so its version.
pub async fn start(
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
pub async fn read(tx: &mut Transaction, task: TaskId, view: JobView) -> PortResult<Claimed> {
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
    let mut unreadable = None;
    let input = row.json_or_note("input", &mut unreadable).unwrap_or_default();
    Ok(Claimed {
        task: TaskId(row.try_get("id")?),
        job: JobId(row.try_get("job")?),
        tenant: TenantId(row.try_get("tenant")?),
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        kind_version: row.try_get("kind_version")?,
        input,
        unreadable,
        needs: Vec::new(),
        result: row.try_get("result")?,
        fence: Fence(row.try_get("fence")?),
        attempt: row.try_get("attempt")?,
        max_attempts: row.try_get("max_attempts")?,
        losses: row.try_get("losses")?,
        timeout: Duration::from_millis(row.try_get("timeout_ms")?),
        overrides: row.json("overrides").ok().flatten().unwrap_or_default(),
        view,
    })
}

fn need_outcome(row: SqliteRow) -> sqlx::Result<NeedOutcome> {
    let mut unreadable = None;
    let output: Option<Value> = row.json_or_note("output", &mut unreadable);
    let error: Option<JobError> = row.json_or_note("error", &mut unreadable);
    let error = unreadable.or(error);
    let result = output.ok_or_else(|| error.unwrap_or_else(reason::cancelled));
    Ok(NeedOutcome { name: row.try_get("name")?, result })
}
