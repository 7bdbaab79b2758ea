//! Removing old rows, in small steps.

use common::{limits::WORKER_KEPT, port::PortResult, store::Retention};
use uuid::Uuid;

use super::{column, transaction::WriteTransaction};

/// Removes at most `most` jobs, and as many memos, batches, keys and workers. Returns how many of
/// these went.
pub async fn retain(tx: &mut WriteTransaction<'_>, retention: Retention) -> PortResult<u64> {
    let before = |age| tx.now - column::millis(age);
    let (jobs, memos, workers) =
        (before(retention.jobs), before(retention.memos), before(WORKER_KEPT));
    let (now, most) = (tx.now, retention.most);
    let mut removed = remove_jobs(tx, jobs, most).await?;
    removed += remove_batches(tx, jobs, most).await?;
    removed += execute!(tx.sql(),
        "DELETE FROM memos WHERE (tenant, key) IN
             (SELECT tenant, key FROM memos WHERE used_at < ? ORDER BY used_at LIMIT ?)";
        memos, most)?;
    removed += execute!(tx.sql(),
        "DELETE FROM idempotency_keys WHERE (tenant, key) IN
             (SELECT tenant, key FROM idempotency_keys WHERE expires_at < ?
              ORDER BY expires_at LIMIT ?)";
        now, most)?;
    removed += execute!(tx.sql(),
        "DELETE FROM workers WHERE id IN
             (SELECT id FROM workers WHERE heartbeat_at < ? LIMIT ?)";
        workers, most)?;
    Ok(removed)
}

/// Removes jobs that ended before `before`. A batch's jobs go when the batch has been settled for as
/// long, so its results are complete while they are there.
async fn remove_jobs(tx: &mut WriteTransaction<'_>, before: i64, most: u32) -> PortResult<u64> {
    let old: Vec<Uuid> = values!(tx.sql(),
        "SELECT jobs.id FROM jobs LEFT JOIN batches ON batches.id = jobs.batch
         WHERE jobs.finished_at < ?1 AND jobs.finished_at IS NOT NULL
             AND (jobs.batch IS NULL OR batches.settled_at < ?1)
         ORDER BY jobs.finished_at LIMIT ?2";
        before, most)?;
    let ids = column::id_list(&old);
    for statement in [
        "DELETE FROM job_tags WHERE (tenant, tag, job) IN
             (SELECT jobs.tenant, tag.value, jobs.id FROM jobs, json_each(jobs.tags) AS tag
              WHERE jobs.id IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM edges WHERE task IN
             (SELECT id FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM inputs WHERE owner IN
             (SELECT id FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?)))",
        "DELETE FROM inputs WHERE owner IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM tasks WHERE job IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM jobs WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    ] {
        execute!(tx.sql(), statement; &ids)?;
    }
    Ok(old.len() as u64)
}

async fn remove_batches(tx: &mut WriteTransaction<'_>, before: i64, most: u32) -> PortResult<u64> {
    let old: Vec<Uuid> = values!(tx.sql(),
        "SELECT id FROM batches WHERE settled_at IS NOT NULL AND settled_at < ?
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch = batches.id) LIMIT ?";
        before, most)?;
    let ids = column::id_list(&old);
    for statement in [
        "DELETE FROM refused_items WHERE batch IN (SELECT unhex(value) FROM json_each(?))",
        "DELETE FROM batches WHERE id IN (SELECT unhex(value) FROM json_each(?))",
    ] {
        execute!(tx.sql(), statement; &ids)?;
    }
    Ok(old.len() as u64)
}
