//! The work that waits in a queue and the workers that are there for it.

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

use super::column;

/// The latest attempts of which the median is taken; an odd number has a middle.
const MEDIAN_OF: i64 = 101;

/// Slots of live workers by queue.
pub async fn slots(sql: &mut SqliteConnection, now: i64) -> PortResult<BTreeMap<Queue, i64>> {
    let rows: Vec<(String, i64)> = rows!(sql,
        "SELECT queue, sum(slots) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE heartbeat_at > ? AND NOT draining GROUP BY queue";
        now - column::millis(WORKER_ALIVE))?;
    rows.into_iter().map(|(queue, slots)| Ok((column::queue(&queue)?, slots))).collect()
}

/// Slots of live workers less the tasks that are queued or running.
pub async fn room(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<i64> {
    let slots = slots(sql, now).await?.get(&queue).copied().unwrap_or(0);
    Ok(slots - queued(sql, queue).await? - running(sql, queue).await?)
}

async fn queued(sql: &mut SqliteConnection, queue: Queue) -> PortResult<i64> {
    value!(sql, "SELECT count(*) FROM tasks WHERE queue = ? AND state = 'queued'"; queue.as_str())
}

async fn running(sql: &mut SqliteConnection, queue: Queue) -> PortResult<i64> {
    value!(sql, "SELECT count(*) FROM tasks WHERE queue = ? AND state = 'running'"; queue.as_str())
}

/// Attempts that live workers have ended, a running total.
pub async fn ended(sql: &mut SqliteConnection, queue: Queue) -> PortResult<u64> {
    let ended: i64 =
        value!(sql, "SELECT ended FROM attempt_counts WHERE queue = ?"; queue.as_str())?;
    column::number("attempt_counts.ended", ended)
}

/// Tasks queued for longer than `age`, oldest first, and the number of queued tasks in all.
pub async fn overdue(
    sql: &mut SqliteConnection,
    queue: Queue,
    age: Duration,
    most: u32,
    now: i64,
) -> PortResult<(Vec<TaskMessage>, u64)> {
    let rows: Vec<(Uuid, i64, Option<String>)> = rows!(&mut *sql,
        "SELECT id, fence, (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) FROM tasks
         WHERE queue = ? AND state = 'queued' AND queued_at <= ? ORDER BY queued_at LIMIT ?";
        queue.as_str(), now - column::millis(age), most)?;
    let message =
        |(task, fence, trace)| TaskMessage::new(TaskId(task), Fence(fence), queue).traced(trace);
    let messages = rows.into_iter().map(message).collect();
    Ok((messages, column::number("queued", queued(sql, queue).await?)?))
}

/// The demand of a queue.
pub async fn demand(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<Demand> {
    let counted = COUNTED_BACKLOG as i64;
    let (ready, oldest_ready, oldest_queued): (i64, Option<i64>, Option<i64>) = row!(&mut *sql,
        "SELECT (SELECT count(*) FROM (SELECT 1 FROM tasks
                     WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2 LIMIT ?3)),
                (SELECT min(run_at) FROM tasks
                     WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2),
                (SELECT min(run_at) FROM tasks WHERE queue = ?1 AND state = 'queued')";
        queue.as_str(), now, counted)?;
    let queued = queued(sql, queue).await?;
    let (slots, workers): (i64, i64) = row!(&mut *sql,
        "SELECT coalesce(sum(slots), 0), count(*)
         FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE queue = ? AND slots > 0 AND heartbeat_at > ? AND NOT draining";
        queue.as_str(), now - column::millis(WORKER_ALIVE))?;
    let paused = value!(&mut *sql,
        "SELECT EXISTS (SELECT 1 FROM pauses WHERE scope = 'queue' AND name = ?)";
        queue.as_str())?;
    let oldest = oldest_ready.into_iter().chain(oldest_queued).min();
    Ok(Demand {
        waiting: column::number("waiting", (ready + queued).min(counted))?,
        queued: column::number("queued", queued)?,
        running: column::number("running", running(sql, queue).await?)?,
        slots: column::number("slots", slots)?,
        workers: column::number("workers", workers)?,
        median_ms: median_ms(sql, queue).await?,
        paused,
        oldest_ms: oldest.map_or(0, |due| u64::try_from(now - due).unwrap_or(0)),
    })
}

/// Median duration of the latest attempts that succeeded.
async fn median_ms(sql: &mut SqliteConnection, queue: Queue) -> PortResult<Option<u64>> {
    let mut durations: Vec<i64> = values!(sql,
        "SELECT finished_at - started_at FROM tasks
         WHERE queue = ? AND state = 'succeeded' AND NOT cached AND started_at IS NOT NULL
         ORDER BY finished_at DESC LIMIT ?";
        queue.as_str(), MEDIAN_OF)?;
    durations.sort_unstable();
    let middle = durations.get(durations.len().saturating_sub(1) / 2);
    Ok(middle.map(|ms| u64::try_from(*ms).unwrap_or(0)))
}
