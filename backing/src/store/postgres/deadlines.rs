//! Fails jobs that did not start within their queue timeout.

use common::{
    port::PortResult,
    submission::{NewItem, NewJob, Submission, Work},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    PgStore,
    column::{self, Cells, millis},
    effects::{Effects, list},
    reason,
};

impl PgStore {
    /// Stores until when the first tasks of jobs with a queue timeout may wait. A statement of its
    /// own, before the one that stores the tasks, and only if a job has such a timeout.
    pub(super) async fn store_deadlines(&self, submissions: &[Submission]) -> PortResult<()> {
        let (mut tasks, mut run_ats, mut allowed) = (Vec::new(), Vec::new(), Vec::new());
        for job in submissions.iter().flat_map(jobs) {
            let Some(timeout) = job.queue_timeout else { continue };
            for task in job.tasks.iter().filter(|task| task.needs.is_empty()) {
                tasks.push(task.id.0);
                run_ats.push(job.run_at.map(Timestamp::as_millisecond));
                allowed.push(millis(timeout));
            }
        }
        if tasks.is_empty() {
            return Ok(());
        }
        let query = sqlx::query("SELECT spool.store_deadlines($1, $2, $3)")
            .bind(tasks)
            .bind(run_ats)
            .bind(allowed);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    /// Fails tasks that did not start in time, and returns how many. Each is a statement of its
    /// own, so that one that can't be failed stops none of the others.
    pub(super) async fn fail_overdue_starts(
        &self,
        most: u32,
        effects: &mut Effects,
    ) -> PortResult<u32> {
        let query = sqlx::query("SELECT tasks, allowed FROM spool.overdue_starts($1)")
            .bind(i32::try_from(most).unwrap_or(i32::MAX));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let (tasks, allowed): (Vec<Uuid>, Vec<i64>) = (list(&mut cells)?, list(&mut cells)?);
        let mut expired = 0;
        for (task, allowed) in tasks.into_iter().zip(allowed) {
            match self.fail_overdue_start(task, allowed).await {
                Ok(None) => {}
                Ok(Some(more)) => {
                    effects.add(more);
                    expired += 1;
                }
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => {
                    tracing::error!(%task, %error, "a task that is overdue can't be failed")
                }
            }
        }
        Ok(expired)
    }

    async fn fail_overdue_start(&self, task: Uuid, allowed: i64) -> PortResult<Option<Effects>> {
        let query = sqlx::query(
            "SELECT expired, (effects).*
             FROM spool.fail_overdue_start($1, $2)",
        )
        .bind(task)
        .bind(column::text(&reason::expired(allowed))?);
        let row = self.work(query.fetch_one(&self.work)).await?;
        let mut cells = Cells::of(&row);
        let expired: bool = cells.take()?;
        let effects = Effects::read(&mut cells)?;
        Ok(expired.then_some(effects))
    }
}

/// The jobs of a submission, without refused items.
pub(super) fn jobs(submission: &Submission) -> Vec<&NewJob> {
    match &submission.work {
        Work::Job(job) => vec![job],
        Work::Batch(batch) => {
            let mut jobs = Vec::new();
            for item in &batch.items {
                match item {
                    NewItem::Job(job) => jobs.push(job),
                    NewItem::Refused(_) => {}
                }
            }
            jobs
        }
    }
}
