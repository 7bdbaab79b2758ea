//! The consequences of settled tasks, drawn to their end before a write commits.
//!
//! Tasks are followed first, then each job is written once for all its tasks, then each batch once
//! for all its jobs. A batch that stops on an error starts the list again.

use common::{
    error::JobError,
    id::TaskId,
    plan::OnFailure,
    port::PortResult,
    rules::{
        cascade::{
            BatchChange, KeyEffect, NeedEffect, PlanChange, PlanState, add_tally, final_status,
            on_dependent, on_waiters,
        },
        lifecycle::{JobStatus, TaskEvent},
    },
    store::Changes,
};
use sqlx::{Row, sqlite::SqliteRow, types::Json};
use uuid::Uuid;

use super::{
    cancel::{cancel_batch, stop_tasks},
    column::{self, Columns},
    single_flight,
    statement::transition,
    transaction::{EndedRow, EndedTask, Transaction},
    views,
};
use crate::store::reason;

/// Draws all consequences, commits, and returns the changes.
pub async fn commit(mut tx: Transaction) -> PortResult<Changes> {
    while !tx.work.is_empty() {
        while let Some(ended) = tx.work.tasks.pop_front() {
            follow_task(&mut tx, ended).await?;
        }
        for (job, change) in std::mem::take(&mut tx.work.jobs) {
            write_job(&mut tx, job, change).await?;
        }
        for (batch, change) in std::mem::take(&mut tx.work.batches) {
            write_batch(&mut tx, batch, change).await?;
        }
    }
    let effects = std::mem::take(&mut tx.effects);
    for (queue, ended) in effects.attempts_ended {
        execute!(tx.sql(), "UPDATE attempt_counts SET ended = ended + ? WHERE queue = ?";
            ended, queue.as_str())?;
    }
    let (jobs, now) = (effects.jobs.into_iter().collect::<Vec<_>>(), tx.now);
    let views = views::load(tx.sql(), &jobs, now).await?.into_values().collect();
    tx.end().await?;
    let readied = effects.ready_queues.into_iter().collect();
    Ok(Changes { views, readied, stopping: effects.tasks_to_stop })
}

async fn follow_task(tx: &mut Transaction, ended: EndedTask) -> PortResult<()> {
    let EndedTask { task, state, origin } = &ended;
    if task.needed {
        follow_dependents(tx, &ended).await?;
    }
    if let Some(key) = &task.key {
        match on_waiters(*state, *origin) {
            KeyEffect::SettlesWaiters => single_flight::settle_waiters(tx, &ended).await?,
            KeyEffect::ElectsLeader => single_flight::elect_leader(tx, &task.tenant, key).await?,
            KeyEffect::None => {}
        }
    }
    let plan = tx.work.jobs.entry(task.job).or_default();
    plan.task_ended(TaskId(task.id), &task.kind, *state, *origin);
    Ok(())
}

async fn follow_dependents(tx: &mut Transaction, ended: &EndedTask) -> PortResult<()> {
    let dependents: Vec<(Uuid, bool)> = rows!(tx.sql(),
        "SELECT task, proceed FROM edges WHERE need = ? ORDER BY task, place"; ended.task.id)?;
    for (task, proceed) in dependents {
        let on_failure = if proceed { OnFailure::Proceed } else { OnFailure::Cancel };
        match on_dependent(ended.state, on_failure) {
            NeedEffect::Met => single_flight::meet_need(tx, task).await?,
            NeedEffect::Cancels => cancel_dependent(tx, task, &ended.task).await?,
        }
    }
    Ok(())
}

async fn cancel_dependent(tx: &mut Transaction, task: Uuid, need: &EndedRow) -> PortResult<()> {
    let statement = transition(
        TaskEvent::NeedFailed,
        "UPDATE tasks SET state = {to}, error = ?, failed_need = ?, finished_at = ?
         WHERE id = ? AND {from} RETURNING {ended}",
    );
    let error = Json(reason::need_failed(&need.name));
    let row: Option<EndedRow> = maybe_row!(tx.sql(), statement; error, need.id, tx.now, task)?;
    tx.work.extend(row, TaskEvent::NeedFailed);
    Ok(())
}

#[derive(sqlx::FromRow)]
struct PlanRow {
    status: String,
    batch: Option<Uuid>,
    result_task: Uuid,
    open_tasks: i64,
    kinds: String,
    cancel_requested: bool,
    no_result: bool,
}

/// Writes the counters of a job, and its status if none of its tasks is open any more.
async fn write_job(tx: &mut Transaction, job: Uuid, change: PlanChange) -> PortResult<()> {
    let row: PlanRow = row!(tx.sql(),
        "SELECT status, batch, result_task, open_tasks, kinds, cancel_requested, no_result
         FROM jobs WHERE id = ?";
        job)?;
    tx.effects.jobs.insert(job);
    let before = PlanState {
        status: column::status(&row.status)?,
        result: TaskId(row.result_task),
        open: row.open_tasks,
        cancel_requested: row.cancel_requested,
        no_result: row.no_result,
    };
    let after = before.after(&change);
    let (status, error) = match after.open {
        0 => final_state(tx, after, &change).await?,
        _ => (after.status, None),
    };
    let mut kinds = column::kinds(&row.kinds);
    add_tally(&mut kinds, change.kinds);
    execute!(tx.sql(),
        "UPDATE jobs SET version = version + 1, status = ?, result_task = ?, open_tasks = ?,
             total_tasks = total_tasks + ?, kinds = ?, no_result = ?, error = ?, finished_at = ?
         WHERE id = ?";
        status.as_str(), after.result.0, after.open, change.added, Json(&kinds),
        after.no_result, error.map(Json), status.is_final().then_some(tx.now), job)?;
    if let (Some(batch), true) = (row.batch, status.is_final()) {
        tx.work.batches.entry(batch).or_default().job_ended(status);
    }
    if after.no_result && !before.no_result {
        stop_tasks(tx, job, &reason::without_result()).await?;
    }
    Ok(())
}

async fn final_state(
    tx: &mut Transaction,
    plan: PlanState,
    change: &PlanChange,
) -> PortResult<(JobStatus, Option<JobError>)> {
    let result = plan.result.0;
    let end = match change.end_of(plan.result) {
        Some(end) => end,
        None => {
            let state: String = value!(tx.sql(), "SELECT state FROM tasks WHERE id = ?"; result)?;
            column::state(&state)?
        }
    };
    let status = final_status(end, plan.cancel_requested);
    let error = match status {
        JobStatus::Cancelled => Some(reason::cancelled()),
        JobStatus::Failed => Some(first_failure(tx, result).await?),
        _ => None,
    };
    Ok((status, error))
}

/// The error that a task's end goes back to: its own, or that of the need whose failure cancelled
/// it, and so on.
async fn first_failure(tx: &mut Transaction, mut task: Uuid) -> PortResult<JobError> {
    loop {
        let read = |row: SqliteRow| {
            Ok((row.json("error").unwrap_or_else(Some), row.try_get("failed_need")?))
        };
        let (error, failed_need): (Option<JobError>, Option<Uuid>) =
            row!(tx.sql(), "SELECT error, failed_need FROM tasks WHERE id = ?"; task => read)?;
        match failed_need {
            Some(need) => task = need,
            None => return Ok(error.unwrap_or_else(reason::cancelled)),
        }
    }
}

/// Writes the counters of a batch, and cancels the rest of it where it stops on an error.
async fn write_batch(tx: &mut Transaction, batch: Uuid, change: BatchChange) -> PortResult<()> {
    let (stop_on_error, settled): (bool, bool) = row!(tx.sql(),
        "UPDATE batches SET fulfilled = fulfilled + ?1, rejected = rejected + ?2,
             settled_at = CASE WHEN fulfilled + rejected + ?1 + ?2 = total THEN ?3 END
         WHERE id = ?4 RETURNING stop_on_error, settled_at IS NOT NULL";
        change.fulfilled, change.rejected, tx.now, batch)?;
    if change.stops(stop_on_error, settled) { cancel_batch(tx, batch).await } else { Ok(()) }
}
