//! Removing what is old, in small steps.

use common::{port::PortResult, store::Retention};
use uuid::Uuid;

use super::{column, fault::port, write::Write};

/// A worker that was not seen for this long, in milliseconds, is forgotten: a day after its last lease can have ended.
const WORKER_KEPT: i64 = 24 * 3_600_000;

impl Write<'_> {
    /// Removes at most `most` jobs, and as many memos, batches, keys and workers; answers how many of these went.
    pub async fn retain(&mut self, retention: Retention) -> PortResult<u64> {
        let (jobs, memos) =
            (self.now - column::millis(retention.jobs), self.now - column::millis(retention.memos));
        let most = retention.most;
        let mut removed = self.remove_jobs(jobs, most).await?;
        removed += self.remove_batches(jobs, most).await?;
        let (workers, now) = (self.now - WORKER_KEPT, self.now);
        for (statement, before) in [
            (
                "DELETE FROM memos WHERE (tenant, key) IN
                     (SELECT tenant, key FROM memos WHERE used_at < ? ORDER BY used_at LIMIT ?)",
                memos,
            ),
            (
                "DELETE FROM idempotency_keys WHERE (tenant, key) IN
                     (SELECT tenant, key FROM idempotency_keys WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
                now,
            ),
            ("DELETE FROM workers WHERE id IN (SELECT id FROM workers WHERE seen_at < ? LIMIT ?)", workers),
        ] {
            let gone = sqlx::query(statement).bind(before).bind(most).execute(self.sql()).await.map_err(port)?;
            removed += gone.rows_affected();
        }
        Ok(removed)
    }

    /// A batch's jobs go when the batch has been settled for as long, so that its results are whole as long as they are there.
    async fn remove_jobs(&mut self, before: i64, most: u32) -> PortResult<u64> {
        let old: Vec<Uuid> = sqlx::query_scalar(
            "SELECT jobs.id FROM jobs LEFT JOIN batches ON batches.id = jobs.batch
             WHERE jobs.finished_at < ?1 AND jobs.finished_at IS NOT NULL AND (jobs.batch IS NULL OR batches.settled_at < ?1)
             ORDER BY jobs.finished_at LIMIT ?2",
        )
        .bind(before)
        .bind(most)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        let old_ids = column::id_list(&old);
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
            sqlx::query(statement).bind(&old_ids).execute(self.sql()).await.map_err(port)?;
        }
        Ok(old.len() as u64)
    }

    async fn remove_batches(&mut self, before: i64, most: u32) -> PortResult<u64> {
        let old: Vec<Uuid> = sqlx::query_scalar(
            "SELECT id FROM batches WHERE settled_at IS NOT NULL AND settled_at < ?
                 AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch = batches.id) LIMIT ?",
        )
        .bind(before)
        .bind(most)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        let old_ids = column::id_list(&old);
        for statement in [
            "DELETE FROM refused_items WHERE batch IN (SELECT unhex(value) FROM json_each(?))",
            "DELETE FROM batches WHERE id IN (SELECT unhex(value) FROM json_each(?))",
        ] {
            sqlx::query(statement).bind(&old_ids).execute(self.sql()).await.map_err(port)?;
        }
        Ok(old.len() as u64)
    }
}
