//! The commands of clients, each in one write.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::{
    id::{TaskId, TenantId},
    port::PortResult,
    store::{Accepted, Changes, Credit, Submissions, Target},
    submission::Submission,
};
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    SqliteStore,
    accept::accept,
    cancel::{cancel_batch, cancel_job},
    cascade::commit,
    column,
    insert::Queueing,
    reads::has,
    single_flight::start_waiting,
    transaction::Transaction,
};

/// A statement about tasks (`old`) and their next generation (`new`), which are its first argument.
macro_rules! with_generations {
    ($rest:literal) => {
        concat!(
            "WITH again AS MATERIALIZED (
                 SELECT unhex(value ->> 0) AS old, unhex(value ->> 1) AS new FROM json_each(?1)) ",
            $rest
        )
    };
}

#[async_trait]
impl Submissions for SqliteStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let mut tx = self.write().await?;
        // Only a dispatch obeys limits and pauses, so an accept queues nothing while there are any.
        let restricted: bool = value!(
            tx.sql(),
            "SELECT EXISTS (SELECT 1 FROM limits) OR EXISTS (SELECT 1 FROM pauses)"
        )?;
        let credit = if restricted { Vec::new() } else { credit.to_vec() };
        let mut queueing = Queueing { credit, messages: Vec::new() };
        let mut answers = Vec::with_capacity(submissions.len());
        for submission in submissions {
            answers.push(accept(&mut tx, submission, &mut queueing).await?);
        }
        let changes = commit(tx).await?;
        Ok(Accepted { answers, messages: queueing.messages, changes })
    }

    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        let mut tx = self.write().await?;
        if !has(tx.sql(), tenant, target).await? {
            return Ok(None);
        }
        match target {
            Target::Job(job) => cancel_job(&mut tx, job.0).await?,
            Target::Batch(batch) => cancel_batch(&mut tx, batch.0).await?,
        }
        commit(tx).await.map(Some)
    }

    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        let mut tx = self.write().await?;
        if !has(tx.sql(), tenant, target).await? {
            return Ok(None);
        }
        let jobs: Vec<Uuid> = match target {
            Target::Job(job) => values!(tx.sql(),
                "SELECT id FROM jobs WHERE id = ? AND status IN ('failed', 'cancelled')"; job.0)?,
            Target::Batch(batch) => values!(tx.sql(),
                "SELECT id FROM jobs WHERE batch = ? AND status IN ('failed', 'cancelled')
                 ORDER BY item"; batch.0)?,
        };
        for job in &jobs {
            retry_job(&mut tx, *job).await?;
        }
        let retried = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        Ok(Some((retried, commit(tx).await?)))
    }
}

/// Runs a job's unsuccessful tasks again, as tasks of the next generation, because a task row
/// settles once.
async fn retry_job(tx: &mut Transaction, job: Uuid) -> PortResult<()> {
    let (generation, result, kinds, batch): (u32, Uuid, String, Option<Uuid>) = row!(tx.sql(),
        "SELECT generation + 1, result_task, kinds, batch FROM jobs WHERE id = ?"; job)?;
    let again: Vec<(Uuid, String)> = rows!(tx.sql(),
        "SELECT id, kind FROM tasks
         WHERE job = ? AND NOT superseded AND state IN ('failed', 'cancelled') ORDER BY place";
        job)?;
    let mut kinds = column::kinds(&kinds);
    for (_, kind) in &again {
        kinds.entry(kind.clone()).or_default().settled -= 1;
    }
    let next = |(task, _): &(Uuid, String)| (*task, TaskId::derive(*task, generation).0);
    let ids: BTreeMap<Uuid, Uuid> = again.iter().map(next).collect();
    let result = ids.get(&result).copied().unwrap_or(result);
    execute!(tx.sql(),
        "UPDATE jobs SET version = version + 1, generation = generation + 1, status = 'queued',
             result_task = ?, open_tasks = ?, kinds = ?, cancel_requested = 0, no_result = 0,
             error = NULL, started_at = NULL, finished_at = NULL
         WHERE id = ?";
        result, again.len() as i64, Json(&kinds), job)?;
    tx.effects.jobs.insert(job);
    if let Some(batch) = batch {
        execute!(tx.sql(),
            "UPDATE batches SET rejected = rejected - 1, settled_at = NULL WHERE id = ?"; batch)?;
    }
    copy_tasks(tx, &ids).await?;
    for (task, _) in &again {
        start_waiting(tx, ids[task]).await?;
    }
    Ok(())
}

/// Copies tasks to their next generation. A copy needs the same tasks: those that succeeded, and
/// the next generation of all others.
async fn copy_tasks(tx: &mut Transaction, ids: &BTreeMap<Uuid, Uuid>) -> PortResult<()> {
    let pairs = ids.iter().map(|(old, new)| (old.simple(), new.simple()));
    let again = Json(pairs.collect::<Vec<_>>());
    execute!(tx.sql(),
        with_generations!("INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version,
             queue, priority, limited_batch, state, input_of, input_key, needs_left, needs, needed,
             run_at, timeout_ms, max_attempts, created_at)
         SELECT new, tasks.job, tasks.tenant, place, name, tasks.kind, kind_version,
             queue, jobs.priority, limited_batch, 'waiting', input_of, input_key,
             (SELECT count(*) FROM edges JOIN tasks AS need ON need.id = edges.need
              WHERE edges.task = old AND need.state <> 'succeeded'), needs, needed,
             ?2, timeout_ms, max_attempts, ?2
         FROM again JOIN tasks ON tasks.id = old JOIN jobs ON jobs.id = tasks.job");
        &again, tx.now)?;
    execute!(tx.sql(),
        with_generations!("INSERT INTO edges (task, place, need, proceed)
         SELECT again.new, place, coalesce(next.new, need), proceed
         FROM again JOIN edges ON edges.task = again.old LEFT JOIN again AS next
             ON next.old = need");
        &again)?;
    execute!(tx.sql(),
        with_generations!("UPDATE tasks SET superseded = 1 WHERE id IN (SELECT old FROM again)");
        &again)
    .map(drop)
}
