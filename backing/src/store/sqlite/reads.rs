//! The queries of clients.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    error::JobError,
    id::{BatchId, Digest, Fence, JobId, TaskId, TenantId, WorkerId},
    limits::LIST_SCAN,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{JobFilter, Reads, Target},
    view::{BatchView, ItemView, JobView, Page, TaskView},
};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, column::Columns, views};
use crate::store::reason;

/// The rows of tasks, by the rest of the statement.
macro_rules! select_tasks {
    ($rest:literal) => {
        concat!(
            "SELECT id, job, name, kind, queue, state, attempt, losses, fence, cached, worker,
                 progress, error, errors, created_at, started_at, finished_at
             FROM tasks ",
            $rest
        )
    };
}

#[async_trait]
impl Reads for SqliteStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        let ids: Vec<_> = jobs.iter().map(|job| job.0).collect();
        let mut found = views::load(&mut *self.reader().await?, &ids, self.now()).await?;
        found.retain(|_, view| view.tenant == *tenant);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        let mut reader = self.reader().await?;
        if !has(&mut reader, tenant, Target::Job(job)).await? {
            return Ok(None);
        }
        let mut views: Vec<TaskView> = rows!(&mut *reader,
            select_tasks!("WHERE job = ? AND NOT superseded ORDER BY place"); job.0 => read_task)?;
        let edges: Vec<(Uuid, Uuid)> = rows!(&mut *reader,
            "SELECT edges.task, edges.need FROM tasks JOIN edges ON edges.task = tasks.id
             WHERE tasks.job = ? ORDER BY edges.task, edges.place";
            job.0)?;
        let mut needs: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
        for (task, need) in edges {
            needs.entry(TaskId(task)).or_default().push(TaskId(need));
        }
        for view in &mut views {
            view.needs = needs.remove(&view.id).unwrap_or_default();
        }
        Ok(Some(views))
    }

    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        task_view(&mut *self.reader().await?, tenant, task).await
    }

    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        maybe_row!(&self.readers,
            "SELECT id, total, fulfilled, rejected, created_at, settled_at FROM batches
             WHERE id = ? AND tenant = ?";
            batch.0, &tenant.0 => batch_view)
    }

    async fn batches(
        &self,
        tenant: &TenantId,
        after: Option<BatchId>,
        most: u32,
    ) -> PortResult<Page<BatchView>> {
        let after = after.map_or(Uuid::max(), |batch| batch.0);
        let batches = rows!(&self.readers,
            "SELECT id, total, fulfilled, rejected, created_at, settled_at FROM batches
             WHERE tenant = ? AND id < ? ORDER BY id DESC LIMIT ?";
            &tenant.0, after, i64::from(most) + 1 => batch_view)?;
        Ok(Page::of(batches, most, |batch| batch.id.to_string()))
    }

    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        let mut reader = self.reader().await?;
        if !has(&mut reader, tenant, Target::Batch(batch)).await? {
            return Ok(None);
        }
        let to = i64::from(from) + i64::from(most);
        let jobs: Vec<(u32, Uuid)> = rows!(&mut *reader,
            "SELECT item, id FROM jobs WHERE batch = ? AND item >= ? AND item < ?";
            batch.0, from, to)?;
        let refusal = |row: SqliteRow| {
            let error = row.json("error").unwrap_or_else(Some);
            Ok((row.try_get("item")?, error.unwrap_or_else(reason::cancelled)))
        };
        let refused: Vec<(u32, JobError)> = rows!(&mut *reader,
            "SELECT item, error FROM refused_items WHERE batch = ? AND item >= ? AND item < ?";
            batch.0, from, to => refusal)?;
        let ids: Vec<Uuid> = jobs.iter().map(|(_, job)| *job).collect();
        let mut views = views::load(&mut reader, &ids, self.now()).await?;
        let job = |(item, job)| Some((item, ItemView::Job(Box::new(views.remove(&job)?))));
        let mut items: Vec<(u32, ItemView)> = jobs.into_iter().filter_map(job).collect();
        items.extend(refused.into_iter().map(|(item, error)| (item, ItemView::Refused(error))));
        items.sort_by_key(|(item, _)| *item);
        Ok(Some(items))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        let mut reader = self.reader().await?;
        let page = find_jobs(&mut reader, tenant, filter, after, most).await?;
        let mut views = views::load(&mut reader, &page.items, self.now()).await?;
        let items = page.items.iter().filter_map(|job| views.remove(job)).collect();
        Ok(Page { items, next: page.next })
    }

    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        let mut reader = self.reader().await?;
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(value!(&mut *reader,
                "SELECT EXISTS (SELECT 1 FROM memos WHERE tenant = ? AND key = ?)";
                &tenant.0, key.0.as_slice())?);
        }
        Ok(found)
    }
}

/// Returns whether the tenant has such a job or batch.
pub async fn has(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    target: Target,
) -> PortResult<bool> {
    let (statement, id) = match target {
        Target::Job(job) => ("SELECT 1 FROM jobs WHERE id = ? AND tenant = ?", job.0),
        Target::Batch(batch) => ("SELECT 1 FROM batches WHERE id = ? AND tenant = ?", batch.0),
    };
    let found: Option<i64> = maybe_value!(sql, statement; id, &tenant.0)?;
    Ok(found.is_some())
}

/// A task of any generation.
pub async fn task_view(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    task: TaskId,
) -> PortResult<Option<TaskView>> {
    let view: Option<TaskView> = maybe_row!(&mut *sql,
        select_tasks!("WHERE id = ? AND tenant = ?"); task.0, &tenant.0 => read_task)?;
    let Some(mut view) = view else { return Ok(None) };
    let needs: Vec<Uuid> =
        values!(sql, "SELECT need FROM edges WHERE task = ? ORDER BY place"; task.0)?;
    view.needs = needs.into_iter().map(TaskId).collect();
    Ok(Some(view))
}

fn batch_view(row: SqliteRow) -> sqlx::Result<BatchView> {
    Ok(BatchView {
        id: BatchId(row.try_get("id")?),
        total: row.try_get("total")?,
        fulfilled: row.try_get("fulfilled")?,
        rejected: row.try_get("rejected")?,
        created_at: row.time("created_at")?,
        settled_at: row.maybe_time("settled_at")?,
    })
}

/// Reads a task without its needs.
fn read_task(row: SqliteRow) -> sqlx::Result<TaskView> {
    let worker: Option<Uuid> = row.try_get("worker")?;
    let mut unreadable = None;
    let errors = row.json_or_note("errors", &mut unreadable).unwrap_or_default();
    let error = row.json_or_note("error", &mut unreadable);
    Ok(TaskView {
        id: TaskId(row.try_get("id")?),
        job: JobId(row.try_get("job")?),
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        queue: row.spelled("queue", Queue::parse)?,
        state: row.spelled("state", TaskState::parse)?,
        needs: Vec::new(),
        attempts: row.try_get("attempt")?,
        losses: row.try_get("losses")?,
        fence: Fence(row.try_get("fence")?),
        cached: row.try_get("cached")?,
        worker: worker.map(WorkerId),
        progress: row.json("progress").ok().flatten(),
        error: error.or(unreadable),
        errors,
        created_at: row.time("created_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
    })
}

/// The newest jobs older than `after` along the narrowest index: tag, then kind, then status, then
/// all. Each single filter has an index of its own; under several, the other conditions are tried
/// on a bounded number of rows.
async fn find_jobs(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &JobFilter,
    after: Option<JobId>,
    most: u32,
) -> PortResult<Page<Uuid>> {
    let (tenant, before) = (&tenant.0, after.map_or(Uuid::max(), |job| job.0));
    let filters = [filter.status.is_some(), filter.kind.is_some(), filter.tag.is_some()];
    let several = filters.into_iter().filter(|set| *set).count() > 1;
    let limit = if several { LIST_SCAN as i64 } else { i64::from(most) + 1 };
    let rows: Vec<(Uuid, String, String)> = match (&filter.tag, &filter.kind, filter.status) {
        (Some(tag), ..) => rows!(sql,
            "SELECT jobs.id, jobs.status, jobs.kind
             FROM job_tags JOIN jobs ON jobs.id = job_tags.job
             WHERE job_tags.tenant = ? AND job_tags.tag = ? AND job_tags.job < ?
             ORDER BY job_tags.job DESC LIMIT ?";
            tenant, tag, before, limit),
        (None, Some(kind), _) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND kind = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, kind, before, limit),
        (None, None, Some(status)) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND status = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, status.as_str(), before, limit),
        (None, None, None) => rows!(sql,
            "SELECT id, status, kind FROM jobs WHERE tenant = ? AND id < ?
             ORDER BY id DESC LIMIT ?";
            tenant, before, limit),
    }?;
    let last_read = rows.last().map(|row| row.0).filter(|_| rows.len() as i64 == limit);
    let matches = |(_, status, kind): &&(Uuid, String, String)| {
        filter.status.is_none_or(|expected| expected.as_str() == status)
            && filter.kind.as_ref().is_none_or(|expected| expected == kind)
    };
    let found = rows.iter().filter(matches).map(|row| row.0);
    Ok(page(found.take(most as usize + 1).collect(), most, last_read))
}

/// The first `most` of the rows that were found. The next page begins after them; where fewer were
/// found, after the last row that was read, if there may be more.
pub fn page(mut found: Vec<Uuid>, most: u32, last_read: Option<Uuid>) -> Page<Uuid> {
    let full = found.len() > most as usize;
    found.truncate(most as usize);
    let next = if full { found.last().copied() } else { last_read };
    Page { items: found, next: next.map(|id| id.to_string()) }
}
