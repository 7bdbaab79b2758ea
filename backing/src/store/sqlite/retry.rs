//! Retrying a job: its unsuccessful tasks run again as tasks of the next generation, because a task
//! row settles once.

use std::collections::BTreeMap;

use common::{
    id::{TaskId, TenantId},
    port::PortResult,
    rules::cascade::KindTallies,
    store::Target,
};
use uuid::Uuid;

use super::{batches, column, single_flight::start_waiting, transaction::WriteTransaction};

/// Retries a target. Returns how many jobs run again, or `None` if the tenant has no such target.
pub async fn retry(
    tx: &mut WriteTransaction<'_>,
    tenant: &TenantId,
    target: Target,
) -> PortResult<Option<u32>> {
    if !batches::has(tx.sql(), tenant, target).await? {
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
        retry_job(tx, *job).await?;
    }
    Ok(Some(u32::try_from(jobs.len()).unwrap_or(u32::MAX)))
}

async fn retry_job(tx: &mut WriteTransaction<'_>, job: Uuid) -> PortResult<()> {
    let (generation, result, kinds, batch): (u32, Uuid, String, Option<Uuid>) = row!(tx.sql(),
        "SELECT generation + 1, result_task, kinds, batch FROM jobs WHERE id = ?"; job)?;
    let again: Vec<(Uuid, String)> = rows!(tx.sql(),
        "SELECT id, kind FROM tasks
         WHERE job = ? AND NOT superseded AND state IN ('failed', 'cancelled') ORDER BY place";
        job)?;
    let ids: BTreeMap<Uuid, Uuid> =
        again.iter().map(|(task, _)| (*task, TaskId::derive(*task, generation).0)).collect();
    let mut kinds: KindTallies = column::json("jobs.kinds", &kinds)?;
    for (_, kind) in &again {
        kinds.entry(kind.clone()).or_default().settled -= 1;
    }
    let result = ids.get(&result).copied().unwrap_or(result);
    execute!(tx.sql(),
        "UPDATE jobs SET version = version + 1, generation = generation + 1, status = 'queued',
             result_task = ?, open_tasks = ?, kinds = ?, cancel_requested = 0, no_result = 0,
             error = NULL, started_at = NULL, finished_at = NULL
         WHERE id = ?";
        result, again.len() as i64, column::text(&kinds)?, job)?;
    tx.job_changed(job);
    if let Some(batch) = batch {
        execute!(tx.sql(),
            "UPDATE batches SET rejected = rejected - 1, settled_at = NULL WHERE id = ?"; batch)?;
    }
    for (task, _) in &again {
        copy_task(tx, *task, ids[task]).await?;
    }
    for (task, _) in &again {
        copy_edges(tx, *task, ids[task], &ids).await?;
    }
    for (task, _) in &again {
        start_waiting(tx, ids[task]).await?;
    }
    Ok(())
}

async fn copy_task(tx: &mut WriteTransaction<'_>, old: Uuid, new: Uuid) -> PortResult<()> {
    let now = tx.now;
    execute!(tx.sql(),
        "INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version, queue, priority,
             limited_batch, state, input_of, input_key, needs_left, needs, needed, run_at,
             timeout_ms, max_attempts, created_at)
         SELECT ?1, tasks.job, tasks.tenant, place, name, tasks.kind, kind_version, queue,
             jobs.priority, limited_batch, 'waiting', input_of, input_key, 0, needs, needed, ?2,
             timeout_ms, max_attempts, ?2
         FROM tasks JOIN jobs ON jobs.id = tasks.job WHERE tasks.id = ?3";
        new, now, old)?;
    execute!(tx.sql(), "UPDATE tasks SET superseded = 1 WHERE id = ?"; old)?;
    Ok(())
}

/// The new task needs the same tasks as the old one: those that succeeded, and the new generation of
/// all others.
async fn copy_edges(
    tx: &mut WriteTransaction<'_>,
    old: Uuid,
    new: Uuid,
    ids: &BTreeMap<Uuid, Uuid>,
) -> PortResult<()> {
    let edges: Vec<(i64, Uuid, bool)> = rows!(tx.sql(),
        "SELECT place, need, proceed FROM edges WHERE task = ? ORDER BY place"; old)?;
    let mut open = 0_i64;
    for (place, need, proceed) in edges {
        open += i64::from(ids.contains_key(&need));
        let need = ids.get(&need).copied().unwrap_or(need);
        execute!(tx.sql(), "INSERT INTO edges (task, place, need, proceed) VALUES (?, ?, ?, ?)";
            new, place, need, proceed)?;
    }
    execute!(tx.sql(), "UPDATE tasks SET needs_left = ? WHERE id = ?"; open, new)?;
    Ok(())
}
