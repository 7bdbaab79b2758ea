//! Single flight: of the tasks with one key that need nothing more, one leads and runs. The others
//! wait for its output, or a memo answers them.

use common::{
    id::Digest,
    key::task_key,
    port::PortResult,
    rules::{cascade::Origin, lifecycle::TaskEvent},
};
use uuid::Uuid;

use super::{
    column,
    statement::transition,
    transaction::{EndedRow, EndedTask, Transaction},
};

/// A use of a memo is recorded at most this often, in milliseconds: memos age by days.
const MEMO_USE_RECORDED_EVERY: i64 = 3_600_000;

/// Start of a task that needs nothing more.
#[derive(Debug, Clone)]
pub enum Start {
    /// It runs, and leads its key if it has one.
    Runs,
    /// It waits for the task that leads its key.
    Waits,
    /// A memo has its output.
    MemoHit(Memo),
}

/// The stored output of a key.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Memo {
    pub output: String,
    pub output_hash: Vec<u8>,
    pub artifacts: String,
    used_at: i64,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    needs_left: i64,
    tenant: String,
    queue: String,
    priority: i64,
    run_at: i64,
    input_key: Option<Vec<u8>>,
}

/// The start of a task with this key. A waiter lends its leader its priority, and its time if the
/// leader has not run yet.
pub async fn start(
    tx: &mut Transaction,
    tenant: &str,
    key: Digest,
    priority: i64,
    run_at: i64,
) -> PortResult<Start> {
    if let Some(memo) = memo(tx, tenant, key).await? {
        return Ok(Start::MemoHit(memo));
    }
    let leaders = execute!(tx.sql(),
        "UPDATE tasks SET priority = max(priority, ?1),
             run_at = CASE WHEN attempt = 0 THEN min(run_at, ?2) ELSE run_at END
         WHERE tenant = ?3 AND key = ?4 AND key IS NOT NULL
             AND state IN ('ready', 'queued', 'running')";
        priority, run_at, tenant, key.0.as_slice())?;
    Ok(if leaders > 0 { Start::Waits } else { Start::Runs })
}

async fn memo(tx: &mut Transaction, tenant: &str, key: Digest) -> PortResult<Option<Memo>> {
    let memo: Option<Memo> = maybe_row!(tx.sql(),
        "SELECT output, output_hash, artifacts, used_at FROM memos WHERE tenant = ? AND key = ?";
        tenant, key.0.as_slice())?;
    if memo.as_ref().is_some_and(|memo| memo.used_at + MEMO_USE_RECORDED_EVERY < tx.now) {
        execute!(tx.sql(), "UPDATE memos SET used_at = ? WHERE tenant = ? AND key = ?";
            tx.now, tenant, key.0.as_slice())?;
    }
    Ok(memo)
}

/// Notes that one of the task's needs is met. The last one starts it.
pub async fn meet_need(tx: &mut Transaction, task: Uuid) -> PortResult<()> {
    let row: Option<WaitingRow> = maybe_row!(tx.sql(),
        "UPDATE tasks SET needs_left = needs_left - 1
         WHERE id = ? AND state = 'waiting' AND needs_left > 0
         RETURNING needs_left, tenant, queue, priority, run_at, input_key";
        task)?;
    match row {
        Some(row) if row.needs_left == 0 => start_stored(tx, task, row).await,
        _ => Ok(()),
    }
}

/// Starts a stored task if it waits and needs nothing more. An end within the same write may have
/// been quicker.
pub async fn start_waiting(tx: &mut Transaction, task: Uuid) -> PortResult<()> {
    let row: Option<WaitingRow> = maybe_row!(tx.sql(),
        "SELECT needs_left, tenant, queue, priority, run_at, input_key FROM tasks
         WHERE id = ? AND state = 'waiting' AND needs_left = 0";
        task)?;
    match row {
        Some(row) => start_stored(tx, task, row).await,
        None => Ok(()),
    }
}

async fn start_stored(tx: &mut Transaction, task: Uuid, row: WaitingRow) -> PortResult<()> {
    let run_at = row.run_at.max(tx.now);
    let key = match &row.input_key {
        Some(input_key) => key_of(tx, task, column::digest("tasks.input_key", input_key)?).await?,
        None => None,
    };
    let start = match key {
        Some(key) => start(tx, &row.tenant, key, row.priority, run_at).await?,
        None => Start::Runs,
    };
    let key = key.map(|key| key.0.to_vec());
    match start {
        Start::MemoHit(memo) => settle_by_memo(tx, task, key, &memo).await?,
        Start::Waits => {
            execute!(tx.sql(), "UPDATE tasks SET key = ?, run_at = ? WHERE id = ?";
                key, run_at, task)?;
        }
        Start::Runs => {
            let statement = transition(
                TaskEvent::NeedsMet,
                "UPDATE tasks SET state = {to}, key = ?, run_at = ? WHERE id = ? AND {from}",
            );
            execute!(tx.sql(), statement; key, run_at, task)?;
            tx.effects.ready_queues.insert(column::queue(&row.queue)?);
        }
    }
    Ok(())
}

/// The key of a task whose needs have all succeeded. A task behind a need that did not has none,
/// because its output is not decided by its needs' outputs alone.
async fn key_of(tx: &mut Transaction, task: Uuid, input_key: Digest) -> PortResult<Option<Digest>> {
    let hashes: Vec<Option<Vec<u8>>> = values!(tx.sql(),
        "SELECT need.output_hash FROM edges JOIN tasks AS need ON need.id = edges.need
         WHERE edges.task = ? ORDER BY edges.place";
        task)?;
    let Some(hashes) = hashes.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let hashes: Vec<Digest> = hashes
        .iter()
        .map(|hash| column::digest("tasks.output_hash", hash))
        .collect::<PortResult<_>>()?;
    Ok(Some(task_key(input_key, &hashes)))
}

async fn settle_by_memo(
    tx: &mut Transaction,
    task: Uuid,
    key: Option<Vec<u8>>,
    memo: &Memo,
) -> PortResult<()> {
    let statement = transition(
        TaskEvent::MemoHit,
        "UPDATE tasks SET state = {to}, cached = 1, key = ?, output = ?, output_hash = ?,
             artifacts = ?, finished_at = ?
         WHERE id = ? AND {from} RETURNING {ended}",
    );
    let row: EndedRow = row!(tx.sql(), statement;
        key, &memo.output, &memo.output_hash, &memo.artifacts, tx.now, task)?;
    tx.work.add(row, TaskEvent::MemoHit, Origin::Cached);
    Ok(())
}

/// Settles the waiters of a key with the output of their leader.
pub async fn settle_waiters(tx: &mut Transaction, leader: &EndedTask) -> PortResult<()> {
    let statement = transition(
        TaskEvent::MemoHit,
        "UPDATE tasks SET state = {to}, cached = 1, finished_at = ?1, output = leader.output,
             output_hash = leader.output_hash, artifacts = leader.artifacts
         FROM (SELECT output, output_hash, artifacts FROM tasks WHERE id = ?2) AS leader
         WHERE tasks.tenant = ?3 AND tasks.key = ?4 AND tasks.state = 'waiting' AND {from}
         RETURNING {ended}",
    );
    let rows: Vec<EndedRow> = rows!(tx.sql(), statement;
        tx.now, leader.task.id, &leader.task.tenant, &leader.task.key)?;
    tx.work.extend(rows, TaskEvent::MemoHit);
    Ok(())
}

/// Makes the waiter of the highest priority, and of those the oldest, the leader of its key. Does
/// nothing while the key has a leader.
pub async fn elect_leader(tx: &mut Transaction, tenant: &str, key: &[u8]) -> PortResult<()> {
    let statement = transition(
        TaskEvent::Elect,
        "UPDATE tasks SET state = {to},
             run_at = max(?1, (SELECT min(run_at) FROM tasks AS other
                 WHERE other.tenant = ?2 AND other.key = ?3 AND other.state = 'waiting'))
         WHERE id = (SELECT id FROM tasks
                     WHERE tenant = ?2 AND key = ?3 AND key IS NOT NULL AND {from}
                     ORDER BY priority DESC, created_at, job, place LIMIT 1)
           AND NOT EXISTS (SELECT 1 FROM tasks AS leader
                           WHERE leader.tenant = ?2 AND leader.key = ?3 AND leader.key IS NOT NULL
                               AND leader.state IN ('ready', 'queued', 'running'))
         RETURNING queue",
    );
    let queue: Option<String> = maybe_value!(tx.sql(), statement; tx.now, tenant, key)?;
    if let Some(queue) = queue {
        tx.effects.ready_queues.insert(column::queue(&queue)?);
    }
    Ok(())
}
