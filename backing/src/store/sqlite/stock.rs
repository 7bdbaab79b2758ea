//! What is there to do and who could do it, by queue.

use std::{collections::BTreeMap, time::Duration};

use common::{
    id::{Fence, TaskId},
    limits::{COUNTED_BACKLOG, WORKER_ALIVE},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    store::Demand,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{column, fault::port};

/// Waiting tasks are counted up to here and no further.
const COUNTED: i64 = COUNTED_BACKLOG as i64;

/// Slots of live workers by queue.
pub async fn slots(sql: &mut SqliteConnection, now: i64) -> PortResult<BTreeMap<Queue, i64>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT queue, sum(slots) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE seen_at > ? AND NOT draining GROUP BY queue",
    )
    .bind(now - column::millis(WORKER_ALIVE))
    .fetch_all(sql)
    .await
    .map_err(port)?;
    rows.into_iter().map(|(queue, slots)| Ok((column::queue(&queue)?, slots))).collect()
}

/// Slots of live workers less what is queued or running.
pub async fn room(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<i64> {
    let slots = slots(sql, now).await?.get(&queue).copied().unwrap_or(0);
    Ok(slots - queued(sql, queue).await? - running(sql, queue).await?)
}

async fn queued(sql: &mut SqliteConnection, queue: Queue) -> PortResult<i64> {
    sqlx::query_scalar("SELECT count(*) FROM tasks WHERE queue = ? AND state = 'queued'")
        .bind(queue.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}

async fn running(sql: &mut SqliteConnection, queue: Queue) -> PortResult<i64> {
    sqlx::query_scalar("SELECT count(*) FROM tasks WHERE queue = ? AND state = 'running'")
        .bind(queue.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}

/// Attempts that live workers ended so far.
pub async fn ended(sql: &mut SqliteConnection, queue: Queue) -> PortResult<u64> {
    let ended: i64 = sqlx::query_scalar("SELECT ended FROM attempts_ended WHERE queue = ?")
        .bind(queue.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)?;
    column::number("attempts_ended.ended", ended)
}

/// Tasks queued for longer than `age`, oldest first, and how many are queued in all.
pub async fn overdue(
    sql: &mut SqliteConnection,
    queue: Queue,
    age: Duration,
    most: u32,
    now: i64,
) -> PortResult<(Vec<TaskMessage>, u64)> {
    let rows: Vec<(Uuid, i64, Option<String>)> = sqlx::query_as(
        "SELECT id, fence, (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) FROM tasks
         WHERE queue = ? AND state = 'queued' AND queued_at <= ? ORDER BY queued_at LIMIT ?",
    )
    .bind(queue.as_str())
    .bind(now - column::millis(age))
    .bind(most)
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let message =
        |(task, fence, trace)| TaskMessage::new(TaskId(task), Fence(fence), queue).traced(trace);
    let messages = rows.into_iter().map(message).collect();
    Ok((messages, column::number("queued", queued(sql, queue).await?)?))
}

/// What a queue wants of its workers.
pub async fn demand(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<Demand> {
    let (ready, oldest_ready, oldest_queued): (i64, Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM
                    (SELECT 1 FROM tasks WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2 LIMIT ?3)),
                (SELECT min(run_at) FROM tasks WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2),
                (SELECT min(run_at) FROM tasks WHERE queue = ?1 AND state = 'queued')",
    )
    .bind(queue.as_str())
    .bind(now)
    .bind(COUNTED)
    .fetch_one(&mut *sql)
    .await
    .map_err(port)?;
    let queued = queued(sql, queue).await?;
    let waiting = (ready + queued).min(COUNTED);
    let (slots, workers) = alive(sql, queue, now).await?;
    let oldest = oldest_ready.into_iter().chain(oldest_queued).min();
    Ok(Demand {
        waiting: column::number("waiting", waiting)?,
        queued: column::number("queued", queued)?,
        running: column::number("running", running(sql, queue).await?)?,
        slots: column::number("slots", slots)?,
        workers: column::number("workers", workers)?,
        median_ms: median_ms(sql, queue).await?,
        paused: is_paused(sql, queue).await?,
        oldest_ms: oldest.map_or(0, |due| u64::try_from(now - due).unwrap_or(0)),
    })
}

/// Slots of live workers for a queue, and how many workers have them.
async fn alive(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<(i64, i64)> {
    sqlx::query_as(
        "SELECT coalesce(sum(slots), 0), count(*) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE queue = ? AND slots > 0 AND seen_at > ? AND NOT draining",
    )
    .bind(queue.as_str())
    .bind(now - column::millis(WORKER_ALIVE))
    .fetch_one(sql)
    .await
    .map_err(port)
}

/// What the latest attempts took that succeeded: their median.
async fn median_ms(sql: &mut SqliteConnection, queue: Queue) -> PortResult<Option<u64>> {
    let mut took: Vec<i64> = sqlx::query_scalar(
        "SELECT finished_at - started_at FROM tasks
         WHERE queue = ? AND state = 'succeeded' AND NOT cached AND started_at IS NOT NULL
         ORDER BY finished_at DESC LIMIT 101",
    )
    .bind(queue.as_str())
    .fetch_all(sql)
    .await
    .map_err(port)?;
    took.sort_unstable();
    Ok(took.get(took.len().saturating_sub(1) / 2).map(|ms| u64::try_from(*ms).unwrap_or(0)))
}

async fn is_paused(sql: &mut SqliteConnection, queue: Queue) -> PortResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pauses WHERE scope = 'queue' AND name = ?)")
        .bind(queue.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}
