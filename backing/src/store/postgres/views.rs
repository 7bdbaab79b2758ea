//! Reads the views of jobs and tasks.

use std::collections::BTreeMap;

use common::{
    error::JobError,
    id::{BatchId, Fence, JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    rules::lifecycle::JobStatus,
    view::{FailedAttempt, JobView, Progress, Rank, TaskView, WaitingFor},
};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::StrDeserializer},
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    errors::unreadable,
};

/// Ids in one statement.
const AT_ONCE: usize = 1_000;

impl PgStore {
    /// Reads those of these jobs that exist, of one tenant or of all.
    pub(super) async fn views(
        &self,
        tenant: Option<&TenantId>,
        jobs: &[Uuid],
    ) -> PortResult<BTreeMap<Uuid, JobView>> {
        let mut views = BTreeMap::new();
        for some in jobs.chunks(AT_ONCE) {
            let query = sqlx::query(
                "SELECT id, tenant, kind, batch, item, priority, tags, metadata, created_at,
                     run_at, version, started_at,
                     finished_at, attempts, status, error, result, solo, open_tasks, total_tasks,
                     progress, stage, waiting_for, kinds
                 FROM spool.job_views($1, $2)",
            )
            .bind(tenant.map(|tenant| tenant.0.clone()))
            .bind(some.to_vec());
            for row in self.work(query.fetch_all(&self.work)).await? {
                let view = view(&row)?;
                views.insert(view.id.0, view);
            }
        }
        Ok(views)
    }
    /// Reads those of these tasks that a tenant has, or all of a job.
    pub(super) async fn task_views(
        &self,
        tenant: &TenantId,
        tasks: Vec<Uuid>,
        job: Option<Uuid>,
    ) -> PortResult<Vec<TaskView>> {
        let query = sqlx::query(
            "SELECT id, job, name, kind, queue, state, needs, attempts, losses, fence, cached,
                 worker, progress, stage, error,
                 errors, created_at, started_at, finished_at
             FROM spool.task_views($1, $2, $3)",
        )
        .bind(tenant.0.clone())
        .bind(tasks)
        .bind(job);
        self.work(query.fetch_all(&self.work)).await?.iter().map(task_view).collect()
    }
}

/// Reads the cells of a job's row, in the order in which every statement selects them: id, tenant,
/// kind, batch, item, priority, tags, metadata, created_at, run_at, version, started_at,
/// finished_at, attempts.
pub fn bare(cells: &mut Cells<'_>, status: JobStatus) -> PortResult<JobView> {
    let (id, tenant, kind) = (cells.take()?, cells.take()?, cells.take()?);
    let (batch, item): (Option<Uuid>, Option<i32>) = (cells.take()?, cells.take()?);
    let batch = match (batch, item) {
        (Some(batch), Some(item)) => Some((
            BatchId(batch),
            u32::try_from(item).map_err(|error| unreadable("jobs.item", error))?,
        )),
        _ => None,
    };
    Ok(JobView {
        id: JobId(id),
        tenant: TenantId(tenant),
        kind,
        status,
        progress: None,
        result: None,
        error: None,
        batch,
        priority: cells.number::<i16, _>("jobs.priority")?,
        tags: cells.json("jobs.tags")?.unwrap_or_default(),
        metadata: cells.json("jobs.metadata")?,
        created_at: cells.time("jobs.created_at")?,
        run_at: cells.maybe_time("jobs.run_at")?,
        rank: Rank { version: cells.take()?, ..Rank::default() },
        started_at: cells.maybe_time("jobs.started_at")?,
        finished_at: cells.maybe_time("jobs.finished_at")?,
        attempts: cells.number::<i32, _>("jobs.attempts")?,
        waiting_for: None,
        tasks: BTreeMap::new(),
    })
}

fn view(row: &PgRow) -> PortResult<JobView> {
    let mut cells = Cells::of(row);
    let mut view = bare(&mut cells, JobStatus::Queued)?;
    view.status = column::status(cells.take()?)?;
    view.error = cells.json("jobs.error")?;
    view.result = cells.json("history.output")?;
    let (solo, open, total): (bool, i32, i32) = (cells.take()?, cells.take()?, cells.take()?);
    let (progress, stage): (Option<f64>, Option<String>) = (cells.take()?, cells.take()?);
    let waiting: Option<&str> = cells.take()?;
    view.waiting_for = waiting.map(waiting_for).transpose()?;
    view.tasks = cells.json("plan_kinds")?.unwrap_or_default();
    view.error = view.error.or(cells.take_unreadable());
    if view.status.is_final() {
        return Ok(view);
    }
    let settled = f64::from(total - open);
    view.progress = match (solo, view.waiting_for) {
        (true, _) => column::progress(progress.map(|value| value as f32), stage),
        // A plan's progress is its settled tasks and the parts of its running ones.
        (false, None) => {
            let value = (settled + progress.unwrap_or_default()) / f64::from(total.max(1));
            Some(Progress { value: value.clamp(0.0, 1.0), stage })
        }
        (false, Some(_)) => (total > open)
            .then(|| Progress { value: settled / f64::from(total.max(1)), stage: None }),
    };
    Ok(view)
}

fn waiting_for(word: &str) -> PortResult<WaitingFor> {
    let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    WaitingFor::deserialize(word).map_err(|error| unreadable("waiting_for", error))
}

fn task_view(row: &PgRow) -> PortResult<TaskView> {
    let mut cells = Cells::of(row);
    let (id, job, name, kind) =
        (TaskId(cells.take()?), JobId(cells.take()?), cells.take()?, cells.take()?);
    let (queue, state) = (column::queue(cells.take()?)?, column::state(cells.take()?)?);
    let needs: Option<Vec<Uuid>> = cells.take()?;
    let attempts = cells.number::<i16, _>("tasks.attempt")?;
    let losses = cells.number::<i16, _>("tasks.losses")?;
    let (fence, cached, worker) =
        (Fence(cells.take()?), cells.take()?, cells.take::<Option<Uuid>>()?.map(WorkerId));
    let progress = column::progress(cells.take()?, cells.take()?);
    let last: Option<JobError> = cells.json("tasks.error")?;
    let errors = chain(&mut cells)?;
    let unreadable = cells.take_unreadable();
    Ok(TaskView {
        id,
        job,
        name,
        kind,
        queue,
        state,
        needs: needs.unwrap_or_default().into_iter().map(TaskId).collect(),
        attempts,
        losses,
        fence,
        cached,
        worker,
        progress,
        error: last.or_else(|| errors.last().map(|failure| failure.error.clone())).or(unreadable),
        errors,
        created_at: cells.time("tasks.created_at")?,
        started_at: cells.maybe_time("tasks.started_at")?,
        finished_at: cells.maybe_time("tasks.finished_at")?,
    })
}

/// An error as `spool.append_error` writes it, with the time in milliseconds.
fn chain(cells: &mut Cells<'_>) -> PortResult<Vec<FailedAttempt>> {
    #[derive(Deserialize)]
    struct Failure {
        attempt: u16,
        worker: Option<WorkerId>,
        at: i64,
        error: JobError,
    }
    let failures: Option<Vec<Failure>> = cells.json("tasks.errors")?;
    let read = |Failure { attempt, worker, at, error }: Failure| {
        Ok(FailedAttempt { attempt, worker, at: column::time("tasks.errors", at)?, error })
    };
    failures.unwrap_or_default().into_iter().map(read).collect()
}
