//! The commands of clients: accept, cancel, retry.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    id::{BatchId, JobId, TaskId, TenantId},
    port::PortResult,
    store::{Accepted, Changes, Credit, Submissions, Target},
    submission::Submission,
};
use uuid::Uuid;

use super::{
    PgStore,
    accept::{self, Enqueuer, ReplyBuilder, Rows, Source},
    column::Cells,
    effects::Effects,
};

#[async_trait]
impl Submissions for PgStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let (mut accepted, mut credit) = (Accepted::default(), credit);
        for call in accept::calls(submissions) {
            let stored = self.accept_call(call, credit).await?;
            accepted.answers.extend(stored.answers);
            accepted.messages.extend(stored.messages);
            accepted.changes.merge(stored.changes);
            // The first call may have used it up.
            credit = &[];
        }
        Ok(accepted)
    }

    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        if !self.has(tenant, target).await? {
            return Ok(None);
        }
        let effects = match target {
            Target::Job(JobId(job)) => self.cancel_jobs(vec![job]).await?,
            Target::Batch(BatchId(batch)) => self.cancel_items(batch).await?,
        };
        Ok(Some(self.follow(effects).await))
    }

    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        if !self.has(tenant, target).await? {
            return Ok(None);
        }
        let mut effects = Effects::default();
        let retried = match target {
            Target::Job(JobId(job)) => self.retry_jobs(vec![job], &mut effects).await?,
            Target::Batch(BatchId(batch)) => self.retry_items(batch, &mut effects).await?,
        };
        Ok(Some((retried, self.follow(effects).await)))
    }
}

impl PgStore {
    /// Stores submissions. One statement stores all rows, and its reply is enough for the views.
    async fn accept_call(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let sources = accept::sources(&submissions);
        let (mut rows, mut enqueuer) = (Rows::default(), Enqueuer::new(credit));
        for (submission, source) in submissions.iter().zip(&sources) {
            if !matches!(source, Source::Earlier(_)) {
                rows.push(submission, &mut enqueuer)?;
            }
        }
        self.store_deadlines(&submissions).await?;
        self.store_traces(&submissions).await?;
        self.store_retry_policies(&submissions).await?;
        let stored = self.store(rows).await?;
        let mut reply = ReplyBuilder {
            stored: &stored,
            enqueuer: &enqueuer,
            accepted: Accepted::default(),
            effects: Effects::default(),
        };
        for submission in &submissions {
            for (job, place) in accept::jobs(submission) {
                reply.add(&submission.tenant, job, place);
            }
        }
        let ReplyBuilder { mut accepted, effects, .. } = reply;
        accepted.answers = accept::answers(&submissions, &sources, &stored)?;
        accepted.changes.merge(self.follow(effects).await);
        Ok(accepted)
    }

    /// Retries the unsuccessful jobs of a batch, and returns how many run again.
    async fn retry_items(&self, batch: Uuid, effects: &mut Effects) -> PortResult<u32> {
        let (mut retried, mut behind) = (0, Some(-1));
        while let Some(item) = behind {
            let (jobs, last) = self.items_behind(batch, false, item).await?;
            behind = last;
            retried += self.retry_jobs(jobs, effects).await?;
        }
        Ok(retried)
    }

    /// Retries jobs, and returns how many run again.
    async fn retry_jobs(&self, jobs: Vec<Uuid>, effects: &mut Effects) -> PortResult<u32> {
        if jobs.is_empty() {
            return Ok(0);
        }
        let query =
            sqlx::query_as("SELECT job, generation, task FROM spool.tasks_to_retry($1)").bind(jobs);
        let rows: Vec<(Uuid, i32, Uuid)> = self.work(query.fetch_all(&self.work)).await?;
        let mut generations: BTreeMap<Uuid, i32> = BTreeMap::new();
        let (mut owners, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for (job, generation, task) in rows {
            generations.insert(job, generation);
            let next = u32::try_from(generation).unwrap_or_default() + 1;
            owners.push(job);
            old.push(task);
            new.push(TaskId::derive(task, next).0);
        }
        let (jobs, generations): (Vec<Uuid>, Vec<i32>) = generations.into_iter().unzip();
        let query = sqlx::query("SELECT retried, (effects).* FROM spool.retry($1, $2, $3, $4, $5)")
            .bind(jobs)
            .bind(generations)
            .bind(owners)
            .bind(old)
            .bind(new);
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let retried: Vec<Uuid> = cells.list()?;
        effects.add(Effects::read(&mut cells)?);
        Ok(u32::try_from(retried.len()).unwrap_or(u32::MAX))
    }
}
