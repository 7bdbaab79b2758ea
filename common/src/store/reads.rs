//! Jobs, tasks and batches as clients see them.

use async_trait::async_trait;

use crate::{
    id::{BatchId, Digest, JobId, TaskId, TenantId},
    port::PortResult,
    rules::lifecycle::JobStatus,
    view::{BatchView, ItemView, JobView, Page, TaskView},
};

/// Filter of a list of jobs; a job must meet all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFilter {
    pub status: Option<JobStatus>,
    pub kind: Option<String>,
    pub tag: Option<String>,
}

/// The queries of clients. A tenant sees its own rows alone.
#[async_trait]
pub trait Reads: Send + Sync + 'static {
    /// Jobs as they are now, in the order of the ids; `None` where the tenant has no such job.
    async fn jobs(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>>;

    /// A job's plan in the order of insertion, or `None`.
    async fn tasks(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<Vec<TaskView>>>;

    /// One task, or `None`.
    async fn task(&self, tenant: &TenantId, task: TaskId) -> PortResult<Option<TaskView>>;

    /// A batch, or `None`.
    async fn batch(&self, tenant: &TenantId, batch: BatchId) -> PortResult<Option<BatchView>>;

    /// Batches newest first, beginning after `after`.
    async fn batches(
        &self,
        tenant: &TenantId,
        after: Option<BatchId>,
        most: u32,
    ) -> PortResult<Page<BatchView>>;

    /// At most `most` items of a batch from index `from` on, in order; `None` if the tenant has no
    /// such batch.
    async fn items(
        &self,
        tenant: &TenantId,
        batch: BatchId,
        from: u32,
        most: u32,
    ) -> PortResult<Option<Vec<(u32, ItemView)>>>;

    /// Jobs newest first, beginning after `after`.
    async fn list(
        &self,
        tenant: &TenantId,
        filter: &JobFilter,
        after: Option<JobId>,
        most: u32,
    ) -> PortResult<Page<JobView>>;

    /// Returns whether each of these keys has a memo, in their order. Does not count as a use of
    /// the memo.
    async fn have_memos(&self, tenant: &TenantId, keys: &[Digest]) -> PortResult<Vec<bool>>;
}
