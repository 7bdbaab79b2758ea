//! Cancelling a job, or what has not settled of a batch.

use common::{
    id::{BatchId, JobId, TenantId},
    port::PortResult,
    store::Target,
};
use uuid::Uuid;

use super::{fault::port, items, write::Write};
use crate::store::reason;

impl Write<'_> {
    /// Whether the tenant has such a target; if so, it is cancelled.
    pub async fn cancel(&mut self, tenant: &TenantId, target: Target) -> PortResult<bool> {
        if !items::has(self.sql(), tenant, target).await? {
            return Ok(false);
        }
        match target {
            Target::Job(JobId(job)) => self.cancel_job(job).await?,
            Target::Batch(BatchId(batch)) => self.cancel_jobs_of(batch).await?,
        }
        Ok(true)
    }

    /// Cancels all jobs of a batch that have not settled. All of their tasks stop before any consequence is drawn, so none of them
    /// is promoted by another's end.
    pub async fn cancel_jobs_of(&mut self, batch: Uuid) -> PortResult<()> {
        let jobs: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE batch = ? AND finished_at IS NULL ORDER BY item",
        )
        .bind(batch)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        for job in jobs {
            self.cancel_job(job).await?;
        }
        Ok(())
    }

    async fn cancel_job(&mut self, job: Uuid) -> PortResult<()> {
        let open = sqlx::query(
            "UPDATE jobs SET version = version + 1, cancel_requested = 1, doomed = 1
             WHERE id = ? AND finished_at IS NULL AND cancel_requested = 0",
        )
        .bind(job)
        .execute(self.sql())
        .await
        .map_err(port)?;
        if open.rows_affected() > 0 {
            self.changes(job);
            self.stop_tasks(job, &reason::cancelled()).await?;
        }
        Ok(())
    }
}
