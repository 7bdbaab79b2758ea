//! What is there to do and who could do it, by class.

use std::{collections::BTreeMap, time::Duration};

use common::{
    id::{Fence, TaskId},
    kind::Class,
    limits::{COUNTED_BACKLOG, WORKER_ALIVE},
    port::{PortResult, broker::Doorbell, store::Demand},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{column, fault::port};

/// Waiting tasks are counted up to here and no further.
const COUNTED: i64 = COUNTED_BACKLOG as i64;

/// Slots of live workers by class.
pub async fn slots(sql: &mut SqliteConnection, now: i64) -> PortResult<BTreeMap<Class, i64>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT class, sum(slots) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE seen_at > ? AND NOT draining GROUP BY class",
    )
    .bind(now - column::millis(WORKER_ALIVE))
    .fetch_all(sql)
    .await
    .map_err(port)?;
    rows.into_iter().map(|(class, slots)| Ok((column::class(&class)?, slots))).collect()
}

/// Slots of live workers less what is queued or running.
pub async fn room(sql: &mut SqliteConnection, class: Class, now: i64) -> PortResult<i64> {
    let slots = slots(sql, now).await?.get(&class).copied().unwrap_or(0);
    Ok(slots - queued(sql, class).await? - running(sql, class).await?)
}

async fn queued(sql: &mut SqliteConnection, class: Class) -> PortResult<i64> {
    sqlx::query_scalar("SELECT count(*) FROM tasks WHERE class = ? AND state = 'queued'")
        .bind(class.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}

async fn running(sql: &mut SqliteConnection, class: Class) -> PortResult<i64> {
    sqlx::query_scalar("SELECT count(*) FROM tasks WHERE class = ? AND state = 'running'")
        .bind(class.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}

/// Attempts that live workers ended so far.
pub async fn ended(sql: &mut SqliteConnection, class: Class) -> PortResult<u64> {
    let ended: i64 = sqlx::query_scalar("SELECT ended FROM attempts_ended WHERE class = ?")
        .bind(class.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)?;
    column::number("attempts_ended.ended", ended)
}

/// Tasks queued for longer than `age`, oldest first, and how many are queued in all.
pub async fn overdue(
    sql: &mut SqliteConnection,
    class: Class,
    age: Duration,
    most: u32,
    now: i64,
) -> PortResult<(Vec<Doorbell>, u64)> {
    let rows: Vec<(Uuid, i64, Option<String>)> = sqlx::query_as(
        "SELECT id, fence, (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) FROM tasks
         WHERE class = ? AND state = 'queued' AND queued_at <= ? ORDER BY queued_at LIMIT ?",
    )
    .bind(class.as_str())
    .bind(now - column::millis(age))
    .bind(most)
    .fetch_all(&mut *sql)
    .await
    .map_err(port)?;
    let bell =
        |(task, fence, trace)| Doorbell::new(TaskId(task), Fence(fence), class).traced(trace);
    let bells = rows.into_iter().map(bell).collect();
    Ok((bells, column::number("queued", queued(sql, class).await?)?))
}

/// What a class wants of its workers.
pub async fn demand(sql: &mut SqliteConnection, class: Class, now: i64) -> PortResult<Demand> {
    let (ready, oldest_ready, oldest_queued): (i64, Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM
                    (SELECT 1 FROM tasks WHERE class = ?1 AND state = 'ready' AND run_at <= ?2 LIMIT ?3)),
                (SELECT min(run_at) FROM tasks WHERE class = ?1 AND state = 'ready' AND run_at <= ?2),
                (SELECT min(run_at) FROM tasks WHERE class = ?1 AND state = 'queued')",
    )
    .bind(class.as_str())
    .bind(now)
    .bind(COUNTED)
    .fetch_one(&mut *sql)
    .await
    .map_err(port)?;
    let queued = queued(sql, class).await?;
    let waiting = (ready + queued).min(COUNTED);
    let (slots, workers) = alive(sql, class, now).await?;
    let oldest = oldest_ready.into_iter().chain(oldest_queued).min();
    Ok(Demand {
        waiting: column::number("waiting", waiting)?,
        queued: column::number("queued", queued)?,
        running: column::number("running", running(sql, class).await?)?,
        slots: column::number("slots", slots)?,
        workers: column::number("workers", workers)?,
        median_ms: median_ms(sql, class).await?,
        paused: is_paused(sql, class).await?,
        oldest_ms: oldest.map_or(0, |due| u64::try_from(now - due).unwrap_or(0)),
    })
}

/// Slots of live workers for a class, and how many workers have them.
async fn alive(sql: &mut SqliteConnection, class: Class, now: i64) -> PortResult<(i64, i64)> {
    sqlx::query_as(
        "SELECT coalesce(sum(slots), 0), count(*) FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
         WHERE class = ? AND slots > 0 AND seen_at > ? AND NOT draining",
    )
    .bind(class.as_str())
    .bind(now - column::millis(WORKER_ALIVE))
    .fetch_one(sql)
    .await
    .map_err(port)
}

/// What the latest attempts took that succeeded: their median.
async fn median_ms(sql: &mut SqliteConnection, class: Class) -> PortResult<Option<u64>> {
    let mut took: Vec<i64> = sqlx::query_scalar(
        "SELECT finished_at - started_at FROM tasks
         WHERE class = ? AND state = 'succeeded' AND NOT recalled AND started_at IS NOT NULL
         ORDER BY finished_at DESC LIMIT 101",
    )
    .bind(class.as_str())
    .fetch_all(sql)
    .await
    .map_err(port)?;
    took.sort_unstable();
    Ok(took.get(took.len().saturating_sub(1) / 2).map(|ms| u64::try_from(*ms).unwrap_or(0)))
}

async fn is_paused(sql: &mut SqliteConnection, class: Class) -> PortResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pauses WHERE scope = 'class' AND name = ?)")
        .bind(class.as_str())
        .fetch_one(sql)
        .await
        .map_err(port)
}
