//! Verdicts under the fence.

use common::{
    error::JobError,
    id::{Digest, WorkerId},
    outcome::{ArtifactRef, Settlement, Verdict},
    plan::NewTask,
    port::PortResult,
    rules::lifecycle::TaskState,
    store::Settled,
    view::FailedAttempt,
};
use uuid::Uuid;

use super::{
    cascade::{Ended, EndedRow},
    column,
    fault::port,
    insert::{Home, Queueing},
    lease::BackRow,
    write::Write,
};
use crate::store::reason;

/// A task whose lease the settling worker holds.
#[derive(sqlx::FromRow)]
struct HeldRow {
    queue: String,
    attempt: i64,
    errors: Option<String>,
    #[sqlx(flatten)]
    task: EndedRow,
}

impl Write<'_> {
    /// Writes verdicts in their order.
    pub async fn settle(
        &mut self,
        worker: WorkerId,
        settlements: Vec<Settlement>,
    ) -> PortResult<Vec<Settled>> {
        let mut answers = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            let answer = match self.held(worker, &settlement).await? {
                Some(held) => {
                    *self.attempts.entry(column::queue(&held.queue)?).or_default() += 1;
                    self.write_verdict(worker, held, settlement.verdict).await?;
                    Settled::Counted
                }
                None => Settled::Stale,
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn held(
        &mut self,
        worker: WorkerId,
        settlement: &Settlement,
    ) -> PortResult<Option<HeldRow>> {
        sqlx::query_as(
            "SELECT queue, attempt, errors, id, job, tenant, name, kind, key, needed FROM tasks
             WHERE id = ? AND worker = ? AND fence = ? AND state = 'running'",
        )
        .bind(settlement.task.0)
        .bind(worker.0)
        .bind(settlement.fence.0)
        .fetch_optional(self.sql())
        .await
        .map_err(port)
    }

    async fn write_verdict(
        &mut self,
        worker: WorkerId,
        held: HeldRow,
        verdict: Verdict,
    ) -> PortResult<()> {
        match verdict {
            Verdict::Succeeded { output, hash, artifacts, grown, memo } => {
                let mut task = held.task;
                let key = if memo { None } else { task.key.take() };
                self.write_success(&task, &column::text(&output)?, hash, &artifacts).await?;
                if !grown.is_empty() {
                    self.grow(&task, &grown).await?;
                }
                if let Some(key) = key {
                    self.promote(&task.tenant, &key).await?;
                }
                self.ended.push_back(Ended { task, state: TaskState::Succeeded, cached: false });
                Ok(())
            }
            Verdict::Failed(error) => {
                let errors = self.chain(worker, &held, &error)?;
                self.write_end(held.task, TaskState::Failed, &error, Some(errors)).await
            }
            Verdict::Cancelled => {
                let errors = held.errors;
                self.write_end(held.task, TaskState::Cancelled, &reason::cancelled(), errors).await
            }
            Verdict::Retry { error, pause } => {
                let errors = self.chain(worker, &held, &error)?;
                self.write_retry(held.task.id, &error, errors, column::millis(pause)).await
            }
        }
    }

    async fn write_success(
        &mut self,
        task: &EndedRow,
        output: &str,
        hash: Digest,
        artifacts: &[ArtifactRef],
    ) -> PortResult<()> {
        let artifacts = column::text(&artifacts)?;
        sqlx::query(
            "UPDATE tasks SET state = 'succeeded', output = ?, output_hash = ?, artifacts = ?, error = NULL,
                 lease_until = NULL, finished_at = ?
             WHERE id = ?",
        )
        .bind(output)
        .bind(hash.0.as_slice())
        .bind(&artifacts)
        .bind(self.now)
        .bind(task.id)
        .execute(self.sql())
        .await
        .map_err(port)?;
        let Some(key) = &task.key else { return Ok(()) };
        sqlx::query(
            "INSERT INTO memos (tenant, key, output, hash, artifacts, used_at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, key) DO UPDATE SET output = excluded.output, hash = excluded.hash,
                 artifacts = excluded.artifacts, used_at = excluded.used_at",
        )
        .bind(&task.tenant)
        .bind(key)
        .bind(output)
        .bind(hash.0.as_slice())
        .bind(artifacts)
        .bind(self.now)
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(())
    }

    async fn write_end(
        &mut self,
        task: EndedRow,
        state: TaskState,
        error: &JobError,
        errors: Option<String>,
    ) -> PortResult<()> {
        sqlx::query(
            "UPDATE tasks SET state = ?, error = ?, errors = ?, lease_until = NULL, finished_at = ? WHERE id = ?",
        )
        .bind(state.as_str())
        .bind(column::text(error)?)
        .bind(errors)
        .bind(self.now)
        .bind(task.id)
        .execute(self.sql())
        .await
        .map_err(port)?;
        self.ended.push_back(Ended { task, state, cached: false });
        Ok(())
    }

    async fn write_retry(
        &mut self,
        task: Uuid,
        error: &JobError,
        errors: String,
        pause: i64,
    ) -> PortResult<()> {
        let row: BackRow = sqlx::query_as(
            "UPDATE tasks SET state = 'ready', error = ?, errors = ?, lease_until = NULL, progress = NULL, run_at = ?
             WHERE id = ?
             RETURNING queue, cancel_requested, id, job, tenant, name, kind, key, needed",
        )
        .bind(column::text(error)?)
        .bind(errors)
        .bind(self.now.saturating_add(pause))
        .bind(task)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        self.settle_back(row).await
    }

    fn chain(&self, worker: WorkerId, held: &HeldRow, error: &JobError) -> PortResult<String> {
        self.chained(held.errors.as_deref(), held.attempt, Some(worker), error)
    }

    /// The chain of a task's errors with one more.
    pub fn chained(
        &self,
        errors: Option<&str>,
        attempt: i64,
        worker: Option<WorkerId>,
        error: &JobError,
    ) -> PortResult<String> {
        let mut chain: Vec<FailedAttempt> =
            column::maybe_json("tasks.errors", errors)?.unwrap_or_default();
        let (attempt, at) =
            (column::number("tasks.attempt", attempt)?, column::time("now", self.now)?);
        chain.push(FailedAttempt { attempt, worker, at, error: error.clone() });
        column::text(&chain)
    }

    /// Adds tasks to the plan. In a job that is not to go on they are there and cancelled, so that the plan tells what was meant.
    async fn grow(&mut self, parent: &EndedRow, grown: &[NewTask]) -> PortResult<()> {
        let (priority, batch, result_task, doomed, total, limited): (
            i64,
            Option<Uuid>,
            Uuid,
            bool,
            i64,
            bool,
        ) = sqlx::query_as(
            "SELECT jobs.priority, jobs.batch, jobs.result_task, jobs.doomed,
                     (SELECT max(place) FROM tasks WHERE tasks.job = jobs.id),
                     batches.max_concurrent IS NOT NULL
                 FROM jobs LEFT JOIN batches ON batches.id = jobs.batch WHERE jobs.id = ?",
        )
        .bind(parent.job)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        let home = Home {
            job: parent.job,
            tenant: parent.tenant.clone(),
            priority,
            lane: batch
                .filter(|_| limited)
                .map(|batch| batch.as_bytes().to_vec())
                .unwrap_or_default(),
            run_at: self.now,
            place: total + 1,
            // Nothing of it is queued here: who dispatches looks it up.
            traceparent: None,
        };
        let delta = self.jobs.entry(parent.job).or_default();
        grown.iter().for_each(|task| delta.grow(&task.kind));
        if delta.result.unwrap_or(result_task) == parent.id {
            delta.result =
                grown.iter().find(|task| task.result).map(|task| task.id.0).or(delta.result);
        }
        self.insert_tasks(&home, grown, None, &mut Queueing::default()).await?;
        if doomed { self.stop_tasks(parent.job, &reason::cancelled()).await } else { Ok(()) }
    }
}
