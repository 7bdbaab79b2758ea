//! Retries jobs and batches.

use std::collections::BTreeMap;

use common::{
    id::{BatchId, JobId, TaskId, TenantId},
    port::PortResult,
    store::{Changes, Target},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::Cells,
    effects::{Effects, list},
};

impl PgStore {
    pub(super) async fn retry_target(
        &self,
        tenant: &TenantId,
        target: Target,
    ) -> PortResult<Option<(u32, Changes)>> {
        if !self.has(tenant, target).await? {
            return Ok(None);
        }
        let mut effects = Effects::default();
        let mut retried = 0;
        match target {
            Target::Job(JobId(job)) => retried += self.retry_jobs(vec![job], &mut effects).await?,
            Target::Batch(BatchId(batch)) => {
                let mut behind = Some(-1);
                while let Some(item) = behind {
                    let sql = "SELECT jobs, last_item FROM spool.unsuccessful_items($1, $2, $3)";
                    let (jobs, last) = self.items_behind(sql, batch, item).await?;
                    behind = last;
                    retried += self.retry_jobs(jobs, &mut effects).await?;
                }
            }
        }
        Ok(Some((u32::try_from(retried).unwrap_or(u32::MAX), self.follow(effects).await)))
    }

    async fn retry_jobs(&self, jobs: Vec<Uuid>, effects: &mut Effects) -> PortResult<usize> {
        if jobs.is_empty() {
            return Ok(0);
        }
        let query =
            sqlx::query("SELECT job, generation, task FROM spool.tasks_to_retry($1)").bind(jobs);
        let rows = self.work(query.fetch_all(&self.work)).await?;
        let mut generations: BTreeMap<Uuid, i32> = BTreeMap::new();
        let (mut owners, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            let mut cells = Cells::of(row);
            let (job, generation, task): (Uuid, i32, Uuid) =
                (cells.take()?, cells.take()?, cells.take()?);
            generations.insert(job, generation);
            let next = u32::try_from(generation).unwrap_or_default() + 1;
            owners.push(job);
            old.push(task);
            new.push(TaskId::derive(task, next).0);
        }
        let (jobs, generations): (Vec<Uuid>, Vec<i32>) = generations.into_iter().unzip();
        let query = sqlx::query(
            "SELECT retried, (effects).*
             FROM spool.retry($1, $2, $3, $4, $5)",
        )
        .bind(jobs)
        .bind(generations)
        .bind(owners)
        .bind(old)
        .bind(new);
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let retried: Vec<Uuid> = list(&mut cells)?;
        effects.add(Effects::read(&mut cells)?);
        Ok(retried.len())
    }
}
