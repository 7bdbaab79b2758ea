//! Tasks as the store tells them.

use std::collections::BTreeMap;

use common::{
    id::{Fence, JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    store::Target,
    view::TaskView,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{column, fault::port, items};

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

/// A job's plan as it stands: what a retry replaced is not part of it.
pub async fn of_job(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    job: JobId,
) -> PortResult<Option<Vec<TaskView>>> {
    if !items::has(sql, tenant, Target::Job(job)).await? {
        return Ok(None);
    }
    let rows: Vec<TaskRow> = sqlx::query_as(
        "SELECT id, job, name, kind, queue, state, attempt, losses, fence, cached, worker, progress, error, errors, created_at,
             started_at, finished_at
         FROM tasks WHERE job = ? AND NOT replaced ORDER BY place",
    )
    .bind(job.0)
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let edges: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT edges.task, edges.need FROM tasks JOIN edges ON edges.task = tasks.id
         WHERE tasks.job = ? ORDER BY edges.task, edges.place",
    )
    .bind(job.0)
    .fetch_all(sql)
    .await
    .map_err(port)?;
    let mut needs: BTreeMap<Uuid, Vec<TaskId>> = BTreeMap::new();
    edges.into_iter().for_each(|(task, need)| needs.entry(task).or_default().push(TaskId(need)));
    let views: PortResult<Vec<TaskView>> = rows
        .into_iter()
        .map(|row| {
            let needs = needs.remove(&row.id).unwrap_or_default();
            view(row, needs)
        })
        .collect();
    views.map(Some)
}

/// One task, of whatever generation.
pub async fn one(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    task: TaskId,
) -> PortResult<Option<TaskView>> {
    let row: Option<TaskRow> = sqlx::query_as(
        "SELECT id, job, name, kind, queue, state, attempt, losses, fence, cached, worker, progress, error, errors, created_at,
             started_at, finished_at
         FROM tasks WHERE id = ? AND tenant = ?",
    )
    .bind(task.0)
    .bind(&tenant.0)
    .fetch_optional(&mut *sql)
    .await
    .map_err(port)?;
    let Some(row) = row else { return Ok(None) };
    let needs: Vec<Uuid> =
        sqlx::query_scalar("SELECT need FROM edges WHERE task = ? ORDER BY place")
            .bind(task.0)
            .fetch_all(sql)
            .await
            .map_err(port)?;
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
