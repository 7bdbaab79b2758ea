//! What the ends of tasks make of their job, and the ends of jobs of their batch.

use std::collections::BTreeMap;

use common::{
    error::JobError,
    port::PortResult,
    rules::lifecycle::{JobStatus, TaskState},
};
use uuid::Uuid;

use super::{cascade::Ended, column, fault::port, write::Write};
use crate::store::reason;

/// Tasks by kind: all, settled, cached. Stored in the job's row.
pub type Kinds = BTreeMap<String, (i64, i64, i64)>;

/// What one write does to a job's row.
#[derive(Debug, Default)]
pub struct JobDelta {
    /// Tasks added to the plan.
    pub added: i64,
    /// The task that holds the result from now on.
    pub result: Option<Uuid>,
    kinds: Kinds,
    ended: BTreeMap<Uuid, TaskState>,
    cached: bool,
}

impl JobDelta {
    /// Counts an end.
    pub fn add(&mut self, ended: &Ended) {
        let count = self.kinds.entry(ended.task.kind.clone()).or_default();
        count.1 += 1;
        count.2 += i64::from(ended.cached);
        self.cached |= ended.cached;
        self.ended.insert(ended.task.id, ended.state);
    }

    /// Counts a task that the plan gained.
    pub fn grow(&mut self, kind: &str) {
        self.added += 1;
        self.kinds.entry(kind.to_owned()).or_default().0 += 1;
    }
}

/// What one write does to a batch's row.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchDelta {
    pub fulfilled: i64,
    pub rejected: i64,
}

#[derive(sqlx::FromRow)]
struct JobRow {
    status: String,
    batch: Option<Uuid>,
    result_task: Uuid,
    open_tasks: i64,
    kinds: String,
    cancel_requested: bool,
    doomed: bool,
}

impl Write<'_> {
    /// Writes what the ends of its tasks mean for a job: counters, and its own end when none is open.
    pub async fn write_job(&mut self, job: Uuid, delta: JobDelta) -> PortResult<()> {
        let row: JobRow = sqlx::query_as(
            "SELECT status, batch, result_task, open_tasks, kinds, cancel_requested, doomed FROM jobs WHERE id = ?",
        )
        .bind(job)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        self.changes(job);
        let result = delta.result.unwrap_or(row.result_task);
        let open = row.open_tasks + delta.added - delta.ended.len() as i64;
        let lost = delta.ended.get(&result).is_some_and(|state| *state != TaskState::Succeeded);
        let dooms = lost && open > 0 && !row.doomed;
        let (status, error) = if open == 0 {
            self.fate(result, delta.ended.get(&result).copied(), row.cancel_requested).await?
        } else if delta.cached {
            (JobStatus::Running, None)
        } else {
            (column::status(&row.status)?, None)
        };
        let finished = status.is_final().then_some(self.now);
        sqlx::query(
            "UPDATE jobs SET version = version + 1, status = ?, result_task = ?, open_tasks = ?,
                 total_tasks = total_tasks + ?, kinds = ?, doomed = doomed OR ?, error = ?, finished_at = ?
             WHERE id = ?",
        )
        .bind(status.as_str())
        .bind(result)
        .bind(open)
        .bind(delta.added)
        .bind(merged(&row.kinds, delta.kinds)?)
        .bind(dooms)
        .bind(error.as_ref().map(column::text).transpose()?)
        .bind(finished)
        .bind(job)
        .execute(self.sql())
        .await
        .map_err(port)?;
        if let (Some(batch), true) = (row.batch, status.is_final()) {
            let counts = self.batches.entry(batch).or_default();
            match status {
                JobStatus::Succeeded => counts.fulfilled += 1,
                _ => counts.rejected += 1,
            }
        }
        if dooms {
            self.stop_tasks(job, &reason::without_result()).await?;
        }
        Ok(())
    }

    /// What a job without open tasks came to.
    async fn fate(
        &mut self,
        result: Uuid,
        state: Option<TaskState>,
        cancelled: bool,
    ) -> PortResult<(JobStatus, Option<JobError>)> {
        let state = match state {
            Some(state) => state,
            None => self.state_of(result).await?,
        };
        match state {
            TaskState::Succeeded => Ok((JobStatus::Succeeded, None)),
            _ if cancelled => Ok((JobStatus::Cancelled, Some(reason::cancelled()))),
            _ => Ok((JobStatus::Failed, Some(self.first_failure(result).await?))),
        }
    }

    async fn state_of(&mut self, task: Uuid) -> PortResult<TaskState> {
        let state: String = sqlx::query_scalar("SELECT state FROM tasks WHERE id = ?")
            .bind(task)
            .fetch_one(self.sql())
            .await
            .map_err(port)?;
        column::state(&state)
    }

    /// The error that a task's failure goes back to: its own, or that of the need whose failure cancelled it, and so on.
    async fn first_failure(&mut self, task: Uuid) -> PortResult<JobError> {
        let (mut error, mut blamed) = self.error_of(task).await?;
        while let Some(need) = blamed {
            (error, blamed) = self.error_of(need).await?;
        }
        Ok(error)
    }

    async fn error_of(&mut self, task: Uuid) -> PortResult<(JobError, Option<Uuid>)> {
        let (error, blamed): (Option<String>, Option<Uuid>) =
            sqlx::query_as("SELECT error, blamed FROM tasks WHERE id = ?")
                .bind(task)
                .fetch_one(self.sql())
                .await
                .map_err(port)?;
        let error = column::maybe_json("tasks.error", error.as_deref())?;
        Ok((error.unwrap_or_else(reason::cancelled), blamed))
    }

    /// Writes what the ends of its jobs mean for a batch, and stops the rest where it asked for that.
    pub async fn write_batch(&mut self, batch: Uuid, delta: BatchDelta) -> PortResult<()> {
        let stop: bool = sqlx::query_scalar(
            "UPDATE batches SET fulfilled = fulfilled + ?1, rejected = rejected + ?2,
                 settled_at = CASE WHEN fulfilled + rejected + ?1 + ?2 = total THEN ?3 END
             WHERE id = ?4
             RETURNING stop_on_error AND ?2 > 0 AND settled_at IS NULL",
        )
        .bind(delta.fulfilled)
        .bind(delta.rejected)
        .bind(self.now)
        .bind(batch)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        if stop { self.cancel_jobs_of(batch).await } else { Ok(()) }
    }
}

fn merged(stored: &str, delta: Kinds) -> PortResult<String> {
    let mut kinds: Kinds = column::json("jobs.kinds", stored)?;
    for (kind, (total, settled, cached)) in delta {
        let count = kinds.entry(kind).or_default();
        *count = (count.0 + total, count.1 + settled, count.2 + cached);
    }
    column::text(&kinds)
}
