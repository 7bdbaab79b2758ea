//! Tasks as clients see them.

use std::collections::BTreeMap;

use common::{
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    store::Target,
    view::TaskView,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{batches, column};

#[derive(sqlx::FromRow)]
struct TaskRow {
    id: Uuid,
    job: Uuid,
    name: String,
    kind: String,
    queue: String,
    state: String,
    attempt: i64,
    losses: i64,
    fence: i64,
    cached: bool,
    worker: Option<Uuid>,
    progress: Option<String>,
    error: Option<String>,
    errors: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

/// The rows of tasks, by the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, job, name, kind, queue, state, attempt, losses, fence, cached, worker,
                 progress, error, errors, created_at, started_at, finished_at
             FROM tasks ",
            $rest
        )
    };
}

/// A job's plan: its tasks without those that a retry superseded.
pub async fn of_job(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    job: JobId,
) -> PortResult<Option<Vec<TaskView>>> {
    if !batches::has(sql, tenant, Target::Job(job)).await? {
        return Ok(None);
    }
    let rows: Vec<TaskRow> =
        rows!(&mut *sql, select!("WHERE job = ? AND NOT superseded ORDER BY place"); job.0)?;
    let edges: Vec<(Uuid, Uuid)> = rows!(sql,
        "SELECT edges.task, edges.need FROM tasks JOIN edges ON edges.task = tasks.id
         WHERE tasks.job = ? ORDER BY edges.task, edges.place";
        job.0)?;
    let mut needs: BTreeMap<Uuid, Vec<TaskId>> = BTreeMap::new();
    edges.into_iter().for_each(|(task, need)| needs.entry(task).or_default().push(TaskId(need)));
    let views = rows.into_iter().map(|row| {
        let needs = needs.remove(&row.id).unwrap_or_default();
        view(row, needs)
    });
    views.collect::<PortResult<_>>().map(Some)
}

/// One task, of any generation.
pub async fn one(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    task: TaskId,
) -> PortResult<Option<TaskView>> {
    let row: Option<TaskRow> =
        maybe_row!(&mut *sql, select!("WHERE id = ? AND tenant = ?"); task.0, &tenant.0)?;
    let Some(row) = row else { return Ok(None) };
    let needs: Vec<Uuid> =
        values!(sql, "SELECT need FROM edges WHERE task = ? ORDER BY place"; task.0)?;
    view(row, needs.into_iter().map(TaskId).collect()).map(Some)
}

fn view(row: TaskRow, needs: Vec<TaskId>) -> PortResult<TaskView> {
    Ok(TaskView {
        id: TaskId(row.id),
        job: JobId(row.job),
        name: row.name,
        kind: row.kind,
        queue: column::queue(&row.queue)?,
        state: column::state(&row.state)?,
        needs,
        attempts: column::number("tasks.attempt", row.attempt)?,
        losses: column::number("tasks.losses", row.losses)?,
        fence: Fence(row.fence),
        cached: row.cached,
        worker: row.worker.map(WorkerId),
        progress: column::maybe_json("tasks.progress", row.progress.as_deref())?,
        error: column::maybe_json("tasks.error", row.error.as_deref())?,
        errors: column::maybe_json("tasks.errors", row.errors.as_deref())?.unwrap_or_default(),
        created_at: column::time("tasks.created_at", row.created_at)?,
        started_at: column::maybe_time("tasks.started_at", row.started_at)?,
        finished_at: column::maybe_time("tasks.finished_at", row.finished_at)?,
    })
}
