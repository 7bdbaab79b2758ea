//! Reads jobs, tasks, batches and lists for clients.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use common::{
    id::{BatchId, Digest, JobId, TaskId, TenantId},
    port::PortResult,
    store::{JobFilter, Reads, Target},
    view::{BatchView, ItemView, JobView, Page, TaskView},
};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, int},
    errors::unreadable,
};

#[async_trait]
impl Reads for PgStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
        let views = self.views(Some(tenant), &ids).await?;
        Ok(ids.iter().map(|id| views.get(id).cloned()).collect())
    }

    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        let tasks = self.task_views(tenant, Vec::new(), Some(job.0)).await?;
        // A job has at least one task.
        Ok((!tasks.is_empty()).then_some(tasks))
    }

    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        Ok(self.task_views(tenant, vec![task.0], None).await?.pop())
    }

    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        let query = sqlx::query(
            "SELECT b.id, b.total, b.fulfilled, b.rejected, b.created_at, b.settled_at
             FROM spool.batches b WHERE b.id = $1 AND b.tenant = $2",
        )
        .bind(batch.0)
        .bind(tenant.0.clone());
        let row = self.work(query.fetch_optional(&self.work)).await?;
        row.as_ref().map(batch_view).transpose()
    }

    async fn batches(
        &self,
        tenant: &TenantId,
        after: Option<BatchId>,
        most: u32,
    ) -> PortResult<Page<BatchView>> {
        let query = sqlx::query(
            "SELECT b.id, b.total, b.fulfilled, b.rejected, b.created_at, b.settled_at
             FROM spool.batches b WHERE b.tenant = $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3",
        )
        .bind(tenant.0.clone())
        .bind(after.map_or(Uuid::max(), |batch| batch.0))
        .bind(i64::from(most) + 1);
        let rows = self.work(query.fetch_all(&self.work)).await?;
        let batches: PortResult<Vec<BatchView>> = rows.iter().map(batch_view).collect();
        Ok(Page::of(batches?, most, |batch| batch.id.to_string()))
    }

    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        if !self.has(tenant, Target::Batch(batch)).await? {
            return Ok(None);
        }
        let query = sqlx::query_as("SELECT item, job, error FROM spool.batch_items($1, $2, $3)")
            .bind(batch.0)
            .bind(int(from))
            .bind(int(most));
        let rows: Vec<(i32, Option<Uuid>, Option<String>)> =
            self.work(query.fetch_all(&self.work)).await?;
        let jobs: Vec<Uuid> = rows.iter().filter_map(|(_, job, _)| *job).collect();
        let mut views = self.views(Some(tenant), &jobs).await?;
        let mut items = Vec::with_capacity(rows.len());
        for (item, job, error) in rows {
            let view = match (job, error) {
                (Some(job), _) => views.remove(&job).map(|view| ItemView::Job(Box::new(view))),
                (None, Some(error)) => {
                    let error = column::json("refused_items.error", &error);
                    Some(ItemView::Refused(error.unwrap_or_else(|unreadable| unreadable)))
                }
                (None, None) => None,
            };
            let item = u32::try_from(item).map_err(|_| unreadable("jobs.item", item))?;
            items.extend(view.map(|view| (item, view)));
        }
        Ok(Some(items))
    }

    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        let sql = "SELECT m.key FROM spool.memos m WHERE m.tenant = $1 AND m.key = ANY($2)";
        let query = sqlx::query_scalar(sql)
            .bind(tenant.0.clone())
            .bind(keys.iter().copied().map(column::bytes).collect::<Vec<_>>());
        let found: Vec<Vec<u8>> = self.work(query.fetch_all(&self.work)).await?;
        let found: BTreeSet<Vec<u8>> = found.into_iter().collect();
        Ok(keys.iter().map(|key| found.contains(key.0.as_slice())).collect())
    }

    async fn list(
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
                .bind(int(most));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (jobs, next): (Vec<Uuid>, Option<Uuid>) = (cells.list()?, cells.take()?);
        let mut views: BTreeMap<Uuid, JobView> = self.views(Some(tenant), &jobs).await?;
        // The statement looks for a tag's spelling anywhere in the list of tags; two tags around a
        // comma can look like a third.
        let fits = |view: &JobView| filter.tag.as_ref().is_none_or(|tag| view.tags.contains(tag));
        let items = jobs.iter().filter_map(|job| views.remove(job)).filter(fits).collect();
        Ok(Page { items, next: next.map(|job| JobId(job).to_string()) })
    }
}

fn batch_view(row: &PgRow) -> PortResult<BatchView> {
    let mut cells = Cells::of(row);
    Ok(BatchView {
        id: BatchId(cells.take()?),
        total: cells.number::<i32, _>("batches.total")?,
        fulfilled: cells.number::<i32, _>("batches.fulfilled")?,
        rejected: cells.number::<i32, _>("batches.rejected")?,
        created_at: cells.time("batches.created_at")?,
        settled_at: cells.maybe_time("batches.settled_at")?,
    })
}
