//! The queries of clients.

use async_trait::async_trait;
use common::{
    id::{BatchId, Digest, JobId, TaskId, TenantId},
    port::PortResult,
    store::{JobFilter, Reads},
    view::{BatchView, ItemView, JobView, Page, TaskView},
};

use super::{SqliteStore, batches, job_views, list::list, single_flight, task_views};

#[async_trait]
impl Reads for SqliteStore {
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        let ids: Vec<_> = jobs.iter().map(|job| job.0).collect();
        let mut found = job_views::load(&mut *self.reader().await?, &ids, self.now()).await?;
        found.retain(|_, view| view.tenant == *tenant);
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>> {
        task_views::of_job(&mut *self.reader().await?, tenant, job).await
    }

    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>> {
        task_views::one(&mut *self.reader().await?, tenant, task).await
    }

    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>> {
        batches::one(&mut *self.reader().await?, tenant, batch).await
    }

    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>> {
        batches::items(&mut *self.reader().await?, tenant, batch, from, most, self.now()).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>> {
        list(&mut *self.reader().await?, tenant, filter, after, most, self.now()).await
    }

    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>> {
        single_flight::have_memos(&mut *self.reader().await?, tenant, keys).await
    }
}
