//! Reads tasks, batches and lists for clients.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    error::JobError,
    id::{BatchId, Digest, Fence, JobId, TaskId, TenantId, WorkerId},
    port::PortResult,
    store::{JobFilter, Target},
    view::{BatchView, FailedAttempt, ItemView, JobView, Page, TaskView},
};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells},
    effects::list,
};

impl PgStore {
    pub(super) async fn job_views(
        &self,
        tenant: &TenantId,
        jobs: &[JobId],
    ) -> PortResult<Vec<Option<JobView>>> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
        let views = self.views(Some(tenant), &ids).await?;
        Ok(ids.iter().map(|id| views.get(id).cloned()).collect())
    }

    pub(super) async fn plan(
        &self,
        tenant: &TenantId,
        job: JobId,
    ) -> PortResult<Option<Vec<TaskView>>> {
        let tasks = self.task_views(tenant, Vec::new(), Some(job.0)).await?;
        // A job has at least one task.
        Ok((!tasks.is_empty()).then_some(tasks))
    }

    pub(super) async fn task_view(
        &self,
        tenant: &TenantId,
        task: TaskId,
    ) -> PortResult<Option<TaskView>> {
        Ok(self.task_views(tenant, vec![task.0], None).await?.pop())
    }

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

    pub(super) async fn batch_view(
        &self,
        tenant: &TenantId,
        batch: BatchId,
    ) -> PortResult<Option<BatchView>> {
        let query = sqlx::query(
            "SELECT b.id, b.total, b.fulfilled, b.rejected, b.created_at, b.settled_at
             FROM spool.batches b WHERE b.id = $1 AND b.tenant = $2",
        )
        .bind(batch.0)
        .bind(tenant.0.clone());
        let row = self.work(query.fetch_optional(&self.work)).await?;
        let view = |row: PgRow| {
            let mut cells = Cells::of(&row);
            Ok(BatchView {
                id: BatchId(cells.take()?),
                total: cells.number::<i32, _>("batches.total")?,
                fulfilled: cells.number::<i32, _>("batches.fulfilled")?,
                rejected: cells.number::<i32, _>("batches.rejected")?,
                created_at: cells.time("batches.created_at")?,
                settled_at: cells.maybe_time("batches.settled_at")?,
            })
        };
        row.map(view).transpose()
    }

    pub(super) async fn item_views(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        if !self.has(tenant, Target::Batch(batch)).await? {
            return Ok(None);
        }
        let bounded = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let query = sqlx::query("SELECT item, job, error FROM spool.batch_items($1, $2, $3)")
            .bind(batch.0)
            .bind(bounded(from))
            .bind(bounded(most));
        let mut items: Vec<(u32, Result<Uuid, JobError>)> = Vec::new();
        for row in &self.work(query.fetch_all(&self.work)).await? {
            let mut cells = Cells::of(row);
            let item = cells.number::<i32, _>("jobs.item")?;
            let (job, error): (Option<Uuid>, _) =
                (cells.take()?, cells.maybe_json("refused_items.error")?);
            items.extend(job.map(Ok).or(error.map(Err)).map(|what| (item, what)));
        }
        let jobs: Vec<Uuid> =
            items.iter().filter_map(|(_, what)| what.as_ref().ok().copied()).collect();
        let mut views = self.views(Some(tenant), &jobs).await?;
        let item = |(item, what): (u32, Result<Uuid, JobError>)| {
            let view = match what {
                Ok(job) => ItemView::Job(Box::new(views.remove(&job)?)),
                Err(error) => ItemView::Refused(error),
            };
            Some((item, view))
        };
        Ok(Some(items.into_iter().filter_map(item).collect()))
    }

    pub(super) async fn remembered(
        &self,
        tenant: &TenantId,
        keys: &[Digest],
    ) -> PortResult<Vec<bool>> {
        let wanted: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
        let query =
            sqlx::query("SELECT m.key FROM spool.memos m WHERE m.tenant = $1 AND m.key = ANY($2)")
                .bind(tenant.0.clone())
                .bind(wanted);
        let mut found = BTreeSet::new();
        for row in &self.work(query.fetch_all(&self.work)).await? {
            let key: Vec<u8> = Cells::of(row).take()?;
            found.insert(key);
        }
        Ok(keys.iter().map(|key| found.contains(key.0.as_slice())).collect())
    }

    pub(super) async fn page(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        let query =
            sqlx::query("SELECT jobs, next_behind FROM spool.list_jobs($1, $2, $3, $4, $5, $6)")
                .bind(tenant.0.clone())
                .bind(filter.status.map(|status| status.as_str()))
                .bind(filter.kind.clone())
                .bind(filter.tag.as_ref().map(column::text).transpose()?)
                .bind(after.map(|job| job.0))
                .bind(i32::try_from(most).unwrap_or(i32::MAX));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (jobs, next): (Vec<Uuid>, Option<Uuid>) = (list(&mut cells)?, cells.take()?);
        let mut views: BTreeMap<Uuid, JobView> = self.views(Some(tenant), &jobs).await?;
        // The statement looks for a tag's spelling anywhere in the list of tags; two tags around a
        // comma can look like a third.
        let fits = |view: &JobView| filter.tag.as_ref().is_none_or(|tag| view.tags.contains(tag));
        let items = jobs.iter().filter_map(|job| views.remove(job)).filter(fits).collect();
        Ok(Page { items, next: next.map(|job| JobId(job).to_string()) })
    }
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
    let last: Option<JobError> = cells.maybe_json("tasks.error")?;
    let errors = chain(&mut cells)?;
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
        error: last.or_else(|| errors.last().map(|failure| failure.error.clone())),
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
    let failures: Option<Vec<Failure>> = cells.maybe_json("tasks.errors")?;
    let read = |Failure { attempt, worker, at, error }: Failure| {
        Ok(FailedAttempt { attempt, worker, at: column::time("tasks.errors", at)?, error })
    };
    failures.unwrap_or_default().into_iter().map(read).collect()
}
