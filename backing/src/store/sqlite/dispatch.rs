//! The part of the store that the dispatcher uses.
//!
//! A dispatch goes from the highest priority down, tenants in turn within a priority, under all
//! limits, and leaves out what is paused. A tenant's backlog is never scanned. The ready tasks of
//! one tenant and kind (and batch, if that has a limit) are a sub-queue. A dispatch finds the
//! sub-queues by skipping through an index, and reads as many rows of each as there is room for:
//! none where a limit or a pause holds it back.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::{Fence, JobId, TaskId, TenantId},
    limits::{COUNTED_BACKLOG, COUNTED_PLACES, WORKER_ALIVE},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::{
        fairness::{Candidate, Chosen, LastTurns, TenantTasks, take_turns},
        gates::Gates,
        lifecycle::TaskEvent,
        waiting_for::Restrictions,
    },
    store::{Demand, Dispatch, Dispatched, QueuePlace},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{
    SqliteStore, column,
    restrictions::{self, LiveKinds},
    statement::transition,
    transaction::Transaction,
};

/// The latest attempts of which the median is taken; an odd number has a middle.
const MEDIAN_OF: i64 = 101;

/// A ready task. Rows sort in the order in which they are to run: job ids sort by age within a
/// millisecond, and task ids do not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
struct ReadyRow {
    run_at: i64,
    job: Uuid,
    place: i64,
    id: Uuid,
    fence: i64,
    traceparent: Option<String>,
}

/// The key of a sub-queue. Without a limited batch, that part is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
struct SubQueue {
    tenant: String,
    kind: String,
    limited_batch: Vec<u8>,
}

#[async_trait]
impl Dispatch for SqliteStore {
    async fn dispatch(&self, queue: Queue, ahead: u32, most: u32) -> PortResult<Dispatched> {
        let mut turns = self.turns.lock().get(&queue).cloned().unwrap_or_default();
        let mut tx = self.write().await?;
        let dispatched = dispatch(&mut tx, queue, ahead, most, &mut turns).await?;
        tx.end().await?;
        self.turns.lock().insert(queue, turns);
        Ok(dispatched)
    }

    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        let statement = transition(
            TaskEvent::HandBack,
            "UPDATE tasks SET state = {to}, queued_at = NULL
             WHERE {from} AND id IN (SELECT unhex(value) FROM json_each(?))",
        );
        execute!(&self.writer, statement;
            column::id_list(tasks.iter().map(|task| &task.0)))
    }

    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        let mut reader = self.reader().await?;
        let rows: Vec<(Uuid, i64, Option<String>)> = rows!(&mut *reader,
            "SELECT id, fence, (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) FROM tasks
             WHERE queue = ? AND state = 'queued' AND queued_at <= ? ORDER BY queued_at LIMIT ?";
            queue.as_str(), self.now() - column::millis(age), most)?;
        let message = |(task, fence, trace)| message(queue, task, fence, trace);
        let messages = rows.into_iter().map(message).collect();
        Ok((messages, queued(&mut reader, queue).await?))
    }

    async fn queue_place(&self, tenant: &TenantId, job: JobId) -> PortResult<Option<QueuePlace>> {
        let (mut reader, now) = (self.reader().await?, self.now());
        let next: Option<(Uuid, String)> = maybe_row!(&mut *reader,
            "SELECT id, queue FROM tasks
             WHERE job = ? AND tenant = ? AND state IN ('ready', 'queued')
                 AND (state = 'queued' OR run_at <= ?)
             ORDER BY run_at LIMIT 1";
            job.0, &tenant.0, now)?;
        let Some((task, queue)) = next else { return Ok(None) };
        let ahead: u64 = value!(&mut *reader,
            "SELECT count(*) FROM (
                 SELECT 1 FROM tasks JOIN tasks AS next ON next.id = ?1
                 WHERE tasks.queue = ?2 AND tasks.state = 'queued' AND (next.state = 'ready'
                     OR (tasks.queued_at, tasks.id) < (next.queued_at, next.id))
                 UNION ALL
                 SELECT 1 FROM tasks JOIN tasks AS next ON next.id = ?1
                 WHERE tasks.queue = ?2 AND tasks.state = 'ready' AND tasks.run_at <= ?3
                     AND next.state = 'ready' AND (tasks.priority > next.priority
                         OR tasks.priority = next.priority
                         AND (tasks.run_at, tasks.job, tasks.place)
                             < (next.run_at, next.job, next.place))
                 LIMIT ?4)";
            task, &queue, now, COUNTED_PLACES as i64)?;
        Ok(Some(QueuePlace { queue: column::queue(&queue)?, ahead }))
    }

    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        let (mut reader, now) = (self.reader().await?, self.now());
        let (waiting, oldest): (u64, Option<i64>) = row!(&mut *reader,
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM tasks
                         WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2 LIMIT ?3)),
                    (SELECT min(run_at) FROM (
                         SELECT min(run_at) AS run_at FROM tasks
                             WHERE queue = ?1 AND state = 'ready' AND run_at <= ?2
                         UNION ALL SELECT min(run_at) FROM tasks
                             WHERE queue = ?1 AND state = 'queued'))";
            queue.as_str(), now, COUNTED_BACKLOG as i64)?;
        let queued = queued(&mut reader, queue).await?;
        let (slots, workers): (u64, u64) = row!(&mut *reader,
            "SELECT coalesce(sum(slots), 0), count(*)
             FROM worker_slots JOIN workers ON workers.id = worker_slots.worker
             WHERE queue = ? AND slots > 0 AND heartbeat_at > ? AND NOT draining";
            queue.as_str(), now - column::millis(WORKER_ALIVE))?;
        let paused = value!(&mut *reader,
            "SELECT EXISTS (SELECT 1 FROM pauses WHERE scope = 'queue' AND name = ?)";
            queue.as_str())?;
        Ok(Demand {
            waiting: (waiting + queued).min(COUNTED_BACKLOG),
            queued,
            running: running(&mut reader, queue).await?,
            slots,
            workers,
            median_ms: median_ms(&mut reader, queue).await?,
            paused,
            oldest_ms: oldest.map_or(0, |due| u64::try_from(now - due).unwrap_or(0)),
        })
    }
}

async fn dispatch(
    tx: &mut Transaction,
    queue: Queue,
    ahead: u32,
    most: u32,
    turns: &mut LastTurns,
) -> PortResult<Dispatched> {
    let now = tx.now;
    let room = (free_slots(tx.sql(), queue, now).await? + i64::from(ahead)).max(0);
    let most = usize::try_from(room.min(i64::from(most))).unwrap_or(0);
    let mut dispatched = Dispatched::default();
    let mut priority = i64::MAX;
    restrictions::return_paused(tx.sql(), queue).await?;
    let Restrictions { limits, pauses, in_flight } = restrictions::all(tx.sql()).await?;
    let mut gates = Gates::new(queue, limits, &pauses, in_flight);
    let live = restrictions::live_kinds(tx.sql(), now).await?;
    while !dispatched.more
        && !gates.queue_is_paused()
        && let Some(next) = next_priority(tx.sql(), queue, priority).await?
    {
        priority = next;
        let left = most - dispatched.messages.len();
        let tenants = candidates(tx, queue, priority, left, &live, &mut gates).await?;
        let last = turns.get(&priority).map(String::as_str);
        let Chosen { tasks, more, last } = take_turns(tenants, left, last, &mut gates);
        turns.extend(last.map(|tenant| (priority, tenant)));
        set_queued(tx, &tasks).await?;
        let message = |task: ReadyRow| message(queue, task.id, task.fence, task.traceparent);
        dispatched.messages.extend(tasks.into_iter().map(message));
        dispatched.more = more;
    }
    let room_left = room - dispatched.messages.len() as i64;
    let room_left = if gates.queue_is_paused() { 0 } else { room_left };
    dispatched.room_left = u32::try_from(room_left).unwrap_or(u32::MAX);
    let next_due: Option<i64> = value!(tx.sql(),
        "SELECT min(run_at) FROM tasks WHERE queue = ? AND state = 'ready' AND run_at > ?";
        queue.as_str(), now)?;
    dispatched.next_due = next_due.map(column::time).transpose()?;
    dispatched.ended =
        value!(tx.sql(), "SELECT ended FROM attempt_counts WHERE queue = ?"; queue.as_str())?;
    Ok(dispatched)
}

fn message(queue: Queue, task: Uuid, fence: i64, trace: Option<String>) -> TaskMessage {
    TaskMessage::new(TaskId(task), Fence(fence), queue).traced(trace)
}

/// Slots of live workers less the tasks that are queued or running.
async fn free_slots(sql: &mut SqliteConnection, queue: Queue, now: i64) -> PortResult<i64> {
    let slots = restrictions::slots(sql, now).await?.get(&queue).copied().unwrap_or(0);
    let taken = queued(sql, queue).await? + running(sql, queue).await?;
    Ok(slots - taken as i64)
}

async fn queued(sql: &mut SqliteConnection, queue: Queue) -> PortResult<u64> {
    value!(sql, "SELECT count(*) FROM tasks WHERE queue = ? AND state = 'queued'"; queue.as_str())
}

async fn running(sql: &mut SqliteConnection, queue: Queue) -> PortResult<u64> {
    value!(sql, "SELECT count(*) FROM tasks WHERE queue = ? AND state = 'running'"; queue.as_str())
}

/// Median duration of the latest attempts that succeeded, in milliseconds.
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

async fn next_priority(
    sql: &mut SqliteConnection,
    queue: Queue,
    below: i64,
) -> PortResult<Option<i64>> {
    value!(sql,
        "SELECT max(priority) FROM tasks WHERE queue = ? AND state = 'ready' AND priority < ?";
        queue.as_str(), below)
}

/// The tasks that each tenant could have dispatched, at most one more than are wanted.
async fn candidates(
    tx: &mut Transaction,
    queue: Queue,
    priority: i64,
    most: usize,
    live: &LiveKinds,
    gates: &mut Gates,
) -> PortResult<Vec<TenantTasks<ReadyRow>>> {
    let mut tenants: Vec<TenantTasks<ReadyRow>> = Vec::new();
    let mut of = SubQueue::default();
    while let Some(next) = next_sub_queue(tx, queue, priority, &of).await? {
        of = next;
        // A kind that none of the queue's workers can run is left until one comes that can.
        // Versions are seen when a task is claimed.
        if gates.is_paused(&of.tenant) || live.none_can(queue, &of.kind, 0) {
            continue;
        }
        let mut ids = gates.of(&of.tenant, &of.kind);
        if !of.limited_batch.is_empty() {
            let room = batch_room(tx, &of.limited_batch).await?;
            ids.push(gates.of_batch(&of.limited_batch, room));
        }
        let limit = (most as i64 + 1).min(gates.room(&ids));
        let due = due(tx, queue, priority, &of, limit).await?;
        let found = due.into_iter().map(|task| Candidate { task, gates: ids.clone() });
        match tenants.last_mut() {
            Some(last) if last.tenant == of.tenant => last.tasks.extend(found),
            _ => tenants.push(TenantTasks { tenant: of.tenant.clone(), tasks: found.collect() }),
        }
    }
    for tenant in &mut tenants {
        tenant.tasks.make_contiguous().sort_unstable_by(|one, other| one.task.cmp(&other.task));
    }
    Ok(tenants)
}

async fn next_sub_queue(
    tx: &mut Transaction,
    queue: Queue,
    priority: i64,
    after: &SubQueue,
) -> PortResult<Option<SubQueue>> {
    maybe_row!(tx.sql(),
        "SELECT tenant, kind, limited_batch FROM tasks
         WHERE queue = ? AND priority = ? AND state = 'ready'
             AND (tenant, kind, limited_batch) > (?, ?, ?)
         ORDER BY tenant, kind, limited_batch LIMIT 1";
        queue.as_str(), priority, &after.tenant, &after.kind, &after.limited_batch)
}

async fn due(
    tx: &mut Transaction,
    queue: Queue,
    priority: i64,
    of: &SubQueue,
    limit: i64,
) -> PortResult<Vec<ReadyRow>> {
    if limit <= 0 {
        return Ok(Vec::new());
    }
    rows!(tx.sql(),
        "SELECT run_at, job, place, id, fence,
             (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) AS traceparent FROM tasks
         WHERE queue = ? AND priority = ? AND tenant = ? AND kind = ? AND limited_batch = ?
             AND state = 'ready' AND run_at <= ?
         ORDER BY run_at, job, place LIMIT ?";
        queue.as_str(), priority, &of.tenant, &of.kind, &of.limited_batch, tx.now, limit)
}

/// The number of tasks of a limited batch that may still be queued or run.
async fn batch_room(tx: &mut Transaction, batch: &[u8]) -> PortResult<i64> {
    value!(tx.sql(),
        "SELECT max_concurrent - (SELECT count(*) FROM tasks
             WHERE limited_batch = ?1 AND limited_batch <> x'' AND state IN ('queued', 'running'))
         FROM batches WHERE id = ?1";
        batch)
}

async fn set_queued(tx: &mut Transaction, tasks: &[ReadyRow]) -> PortResult<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let statement = transition(
        TaskEvent::Dispatch,
        "UPDATE tasks SET state = {to}, queued_at = ?
         WHERE {from} AND id IN (SELECT unhex(value) FROM json_each(?))",
    );
    execute!(tx.sql(), statement; tx.now, column::id_list(tasks.iter().map(|task| &task.id)))
        .map(drop)
}
