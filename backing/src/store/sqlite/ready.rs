//! A task whose needs are met: cached by a memo, led by an equal, or ready.

use common::{
    id::{Digest, TenantId},
    key::task_key,
    port::PortResult,
    rules::lifecycle::TaskState,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    cascade::{Ended, EndedRow},
    column,
    fault::port,
    write::Write,
};

/// A memo is marked as used at most this often, in milliseconds: an hour is fine enough for an age of days.
const MEMO_MARK_EVERY: i64 = 3_600_000;

/// What happens to a task at the moment it needs nothing more.
#[derive(Debug, Clone)]
pub enum Destiny {
    /// It runs, and leads its key if it has one.
    Runs,
    /// An equal task runs: wait for it.
    Follows,
    /// An equal task has run.
    Recalled(Memo),
}

/// A remembered output.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Memo {
    pub output: String,
    pub hash: Vec<u8>,
    pub artifacts: String,
    used_at: i64,
}

#[derive(sqlx::FromRow)]
struct MetRow {
    state: String,
    needs_left: i64,
    tenant: String,
    queue: String,
    priority: i64,
    run_at: i64,
    input_key: Option<Vec<u8>>,
}

impl Write<'_> {
    /// Decides for a key. A follower lends its leader its band, and its time if that has not run yet.
    pub async fn destiny(
        &mut self,
        tenant: &str,
        key: Digest,
        priority: i64,
        run_at: i64,
    ) -> PortResult<Destiny> {
        if let Some(memo) = self.memo(tenant, key).await? {
            return Ok(Destiny::Recalled(memo));
        }
        let led = sqlx::query(
            "UPDATE tasks SET priority = max(priority, ?1),
                 run_at = CASE WHEN attempt = 0 THEN min(run_at, ?2) ELSE run_at END
             WHERE tenant = ?3 AND key = ?4 AND key IS NOT NULL AND state IN ('ready', 'queued', 'running')",
        )
        .bind(priority)
        .bind(run_at)
        .bind(tenant)
        .bind(key.0.as_slice())
        .execute(self.sql())
        .await
        .map_err(port)?;
        Ok(if led.rows_affected() > 0 { Destiny::Follows } else { Destiny::Runs })
    }

    async fn memo(&mut self, tenant: &str, key: Digest) -> PortResult<Option<Memo>> {
        let memo: Option<Memo> = sqlx::query_as(
            "SELECT output, hash, artifacts, used_at FROM memos WHERE tenant = ? AND key = ?",
        )
        .bind(tenant)
        .bind(key.0.as_slice())
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        if memo.as_ref().is_some_and(|memo| memo.used_at + MEMO_MARK_EVERY < self.now) {
            sqlx::query("UPDATE memos SET used_at = ? WHERE tenant = ? AND key = ?")
                .bind(self.now)
                .bind(tenant)
                .bind(key.0.as_slice())
                .execute(self.sql())
                .await
                .map_err(port)?;
        }
        Ok(memo)
    }

    /// One of the task's needs is met; the last one decides what becomes of it.
    pub async fn meet_need(&mut self, task: Uuid) -> PortResult<()> {
        let row: Option<MetRow> = sqlx::query_as(
            "UPDATE tasks SET needs_left = needs_left - 1 WHERE id = ? AND state = 'waiting' AND needs_left > 0
             RETURNING state, needs_left, tenant, queue, priority, run_at, input_key",
        )
        .bind(task)
        .fetch_optional(self.sql())
        .await
        .map_err(port)?;
        match row {
            Some(row) if row.needs_left == 0 => self.set_out(task, row).await,
            _ => Ok(()),
        }
    }

    /// Decides for a waiting task without open needs, already in the store.
    pub async fn set_out_waiting(&mut self, task: Uuid) -> PortResult<()> {
        let row: MetRow = sqlx::query_as(
            "SELECT state, needs_left, tenant, queue, priority, run_at, input_key FROM tasks WHERE id = ?",
        )
        .bind(task)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        // An end within the same write may have been quicker.
        if row.state == TaskState::Waiting.as_str() && row.needs_left == 0 {
            self.set_out(task, row).await
        } else {
            Ok(())
        }
    }

    async fn set_out(&mut self, task: Uuid, row: MetRow) -> PortResult<()> {
        let run_at = row.run_at.max(self.now);
        let key = match &row.input_key {
            Some(input_key) => {
                self.key_of(task, column::digest("tasks.input_key", input_key)?).await?
            }
            None => None,
        };
        let destiny = match key {
            Some(key) => self.destiny(&row.tenant, key, row.priority, run_at).await?,
            None => Destiny::Runs,
        };
        let key = key.map(|key| key.0.to_vec());
        match destiny {
            Destiny::Recalled(memo) => return self.recall(task, key, &memo).await,
            Destiny::Follows => {
                let follow = sqlx::query("UPDATE tasks SET key = ?, run_at = ? WHERE id = ?");
                follow.bind(key).bind(run_at).bind(task).execute(self.sql()).await.map_err(port)?;
            }
            Destiny::Runs => {
                let ready = sqlx::query(
                    "UPDATE tasks SET state = 'ready', key = ?, run_at = ? WHERE id = ?",
                );
                ready.bind(key).bind(run_at).bind(task).execute(self.sql()).await.map_err(port)?;
                self.readies(column::queue(&row.queue)?);
            }
        }
        Ok(())
    }

    /// The key of a task whose needs have all succeeded; none if one did not, for then its output is not decided by them.
    async fn key_of(&mut self, task: Uuid, input_key: Digest) -> PortResult<Option<Digest>> {
        let hashes: Vec<Option<Vec<u8>>> = sqlx::query_scalar(
            "SELECT need.output_hash FROM edges JOIN tasks AS need ON need.id = edges.need
             WHERE edges.task = ? ORDER BY edges.place",
        )
        .bind(task)
        .fetch_all(self.sql())
        .await
        .map_err(port)?;
        let Some(hashes) = hashes.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let hashes: Vec<Digest> = hashes
            .iter()
            .map(|hash| column::digest("tasks.output_hash", hash))
            .collect::<PortResult<_>>()?;
        Ok(Some(task_key(input_key, &hashes)))
    }

    async fn recall(&mut self, task: Uuid, key: Option<Vec<u8>>, memo: &Memo) -> PortResult<()> {
        let row: EndedRow = sqlx::query_as(
            "UPDATE tasks SET state = 'succeeded', cached = 1, key = ?, output = ?, output_hash = ?, artifacts = ?,
                 finished_at = ?
             WHERE id = ?
             RETURNING id, job, tenant, name, kind, key, needed",
        )
        .bind(key)
        .bind(&memo.output)
        .bind(&memo.hash)
        .bind(&memo.artifacts)
        .bind(self.now)
        .bind(task)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        self.ended.push_back(Ended { task: row, state: TaskState::Succeeded, cached: true });
        Ok(())
    }
}

/// Which of these keys have a memo. A lookup each: they are few, and SQLite is called and not asked over a wire.
pub async fn remembered(
    sql: &mut SqliteConnection,
    tenant: &TenantId,
    keys: &[Digest],
) -> PortResult<Vec<bool>> {
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let query =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM memos WHERE tenant = ? AND key = ?)");
        let one: bool = query
            .bind(&tenant.0)
            .bind(key.0.as_slice())
            .fetch_one(&mut *sql)
            .await
            .map_err(port)?;
        found.push(one);
    }
    Ok(found)
}
