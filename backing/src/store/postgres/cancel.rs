//! Cancels jobs and batches.

use common::{id::TenantId, port::PortResult, store::Target};
use uuid::Uuid;

use super::{PgStore, column::Cells, effects::Effects};

/// Jobs of a batch in one statement: each holds its locks until all are written.
const AT_ONCE: i32 = 500;

impl PgStore {
    /// Cancels the open jobs of a batch that stops at its first failure, and notes that this is
    /// done.
    pub(super) async fn cancel_rest(&self, batch: Uuid) -> PortResult<Effects> {
        let effects = self.cancel_items(batch).await?;
        self.work(sqlx::query("SELECT spool.batch_stopped($1)").bind(batch).execute(&self.work))
            .await?;
        Ok(effects)
    }

    /// Cancels the open jobs of a batch.
    pub(super) async fn cancel_items(&self, batch: Uuid) -> PortResult<Effects> {
        let mut effects = Effects::default();
        let mut behind = Some(-1);
        while let Some(item) = behind {
            let (jobs, last) = self.items_behind(batch, true, item).await?;
            behind = last;
            if !jobs.is_empty() {
                effects.add(self.cancel_jobs(jobs).await?);
            }
        }
        Ok(effects)
    }

    /// The open or else the unsuccessful ones of the next jobs of a batch after an item, and the
    /// last item that was looked at.
    pub(super) async fn items_behind(
        &self,
        batch: Uuid,
        open: bool,
        item: i32,
    ) -> PortResult<(Vec<Uuid>, Option<i32>)> {
        let sql = "SELECT jobs, last_item FROM spool.items_behind($1, $2, $3, $4)";
        let query = sqlx::query_as(sql).bind(batch).bind(open).bind(item).bind(AT_ONCE);
        self.work(query.fetch_one(&self.work)).await
    }

    pub(super) async fn cancel_jobs(&self, mut jobs: Vec<Uuid>) -> PortResult<Effects> {
        let mut all = Effects::default();
        // Repeated for a job that became a plan in between; it can do that only once.
        while !jobs.is_empty() {
            let query = sqlx::query("SELECT e.* FROM spool.cancel($1) e").bind(jobs);
            let row = self.work(query.fetch_one(&self.work)).await?;
            let mut effects = Effects::read(&mut Cells::of(&row))?;
            jobs = std::mem::take(&mut effects.jobs_to_repeat);
            all.add(effects);
        }
        Ok(all)
    }

    /// Returns whether a tenant has this job or batch.
    pub(super) async fn has(&self, tenant: &TenantId, target: Target) -> PortResult<bool> {
        let (sql, id) = match target {
            Target::Job(job) => (
                "SELECT EXISTS (SELECT FROM spool.jobs j WHERE j.id = $1 AND j.tenant = $2)",
                job.0,
            ),
            Target::Batch(batch) => (
                "SELECT EXISTS (SELECT FROM spool.batches b WHERE b.id = $1 AND b.tenant = $2)",
                batch.0,
            ),
        };
        let query = sqlx::query_scalar(sql).bind(id).bind(tenant.0.clone());
        self.work(query.fetch_one(&self.work)).await
    }
}
