//! `ready` → `queued`: from the highest priority down, tenants in turn within a priority, under all
//! limits, and nothing that is paused.
//!
//! A tenant's backlog is never scanned. The ready tasks of one tenant and kind (and batch, if that
//! has a limit) are a sub-queue. A dispatch finds the sub-queues by skipping through an index, and
//! reads as many rows of each as there is room for: none where a limit or a pause holds it back.

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::{Fence, TaskId},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::{
        fairness::{Candidate, Chosen, LastTurns, TenantTasks, take_turns},
        gates::Gates,
        lifecycle::TaskEvent,
        waiting_for::Restrictions,
    },
    store::{Demand, Dispatch, Dispatched},
};
use uuid::Uuid;

use super::{
    SqliteStore, cascade::commit, column, demand, operations, restrictions, statement::transition,
    transaction::WriteTransaction,
};

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
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let dispatched = dispatch(&mut tx, queue, ahead, most, &mut turns).await?;
        commit(tx).await?;
        self.turns.lock().insert(queue, turns);
        Ok(dispatched)
    }

    async fn hand_back(&self, tasks: &[TaskId]) -> PortResult<u64> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let mut handed_back = 0;
        for task in tasks {
            let statement = transition(
                TaskEvent::HandBack,
                "UPDATE tasks SET state = {to}, queued_at = NULL WHERE id = ? AND {from}",
            );
            handed_back += execute!(tx.sql(), statement; task.0)?;
        }
        commit(tx).await?;
        Ok(handed_back)
    }

    async fn overdue(
        &self,
        queue: Queue,
        age: Duration,
        most: u32,
    ) -> PortResult<(Vec<TaskMessage>, u64)> {
        demand::overdue(&mut *self.reader().await?, queue, age, most, self.now()).await
    }

    async fn demand(&self, queue: Queue) -> PortResult<Demand> {
        demand::demand(&mut *self.reader().await?, queue, self.now()).await
    }
}

async fn dispatch(
    tx: &mut WriteTransaction<'_>,
    queue: Queue,
    ahead: u32,
    most: u32,
    turns: &mut LastTurns,
) -> PortResult<Dispatched> {
    let now = tx.now;
    let room = (demand::room(tx.sql(), queue, now).await? + i64::from(ahead)).max(0);
    let most = usize::try_from(room.min(i64::from(most))).unwrap_or(0);
    let mut dispatched = Dispatched::default();
    let mut priority = i64::MAX;
    operations::return_paused(tx, queue).await?;
    let Restrictions { limits, pauses, in_flight } = restrictions::all(tx.sql()).await?;
    let mut gates = Gates::new(queue, limits, &pauses, in_flight);
    while !dispatched.more
        && !gates.queue_is_paused()
        && let Some(next) = next_priority(tx, queue, priority).await?
    {
        priority = next;
        let want = most - dispatched.messages.len();
        let tenants = candidates(tx, queue, priority, want, &mut gates).await?;
        let last = turns.get(&priority).map(String::as_str);
        let Chosen { tasks, more, last } = take_turns(tenants, want, last, &mut gates);
        turns.extend(last.map(|tenant| (priority, tenant)));
        set_queued(tx, &tasks).await?;
        dispatched.messages.extend(tasks.into_iter().map(|task| {
            TaskMessage::new(TaskId(task.id), Fence(task.fence), queue).traced(task.traceparent)
        }));
        dispatched.more = more;
    }
    let left = room - dispatched.messages.len() as i64;
    let left = if gates.queue_is_paused() { 0 } else { left };
    dispatched.room_left = u32::try_from(left).unwrap_or(u32::MAX);
    let next_due: Option<i64> = value!(tx.sql(),
        "SELECT min(run_at) FROM tasks WHERE queue = ? AND state = 'ready' AND run_at > ?";
        queue.as_str(), now)?;
    dispatched.next_due = column::maybe_time("tasks.run_at", next_due)?;
    dispatched.ended = demand::ended(tx.sql(), queue).await?;
    Ok(dispatched)
}

async fn next_priority(
    tx: &mut WriteTransaction<'_>,
    queue: Queue,
    below: i64,
) -> PortResult<Option<i64>> {
    value!(tx.sql(),
        "SELECT max(priority) FROM tasks WHERE queue = ? AND state = 'ready' AND priority < ?";
        queue.as_str(), below)
}

/// The tasks that each tenant could have dispatched, at most one more than are wanted.
async fn candidates(
    tx: &mut WriteTransaction<'_>,
    queue: Queue,
    priority: i64,
    want: usize,
    gates: &mut Gates,
) -> PortResult<Vec<TenantTasks<ReadyRow>>> {
    let mut tenants: Vec<TenantTasks<ReadyRow>> = Vec::new();
    let mut of = SubQueue::default();
    while let Some(next) = next_sub_queue(tx, queue, priority, &of).await? {
        of = next;
        if gates.is_paused(&of.tenant) {
            continue;
        }
        let mut ids = gates.of(&of.tenant, &of.kind);
        if !of.limited_batch.is_empty() {
            let room = batch_room(tx, &of.limited_batch).await?;
            ids.push(gates.of_batch(&of.limited_batch, room));
        }
        let limit = (want as i64 + 1).min(gates.room(&ids));
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
    tx: &mut WriteTransaction<'_>,
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
    tx: &mut WriteTransaction<'_>,
    queue: Queue,
    priority: i64,
    of: &SubQueue,
    limit: i64,
) -> PortResult<Vec<ReadyRow>> {
    if limit <= 0 {
        return Ok(Vec::new());
    }
    let now = tx.now;
    rows!(tx.sql(),
        "SELECT run_at, job, place, id, fence,
             (SELECT traceparent FROM jobs WHERE jobs.id = tasks.job) AS traceparent FROM tasks
         WHERE queue = ? AND priority = ? AND tenant = ? AND kind = ? AND limited_batch = ?
             AND state = 'ready' AND run_at <= ?
         ORDER BY run_at, job, place LIMIT ?";
        queue.as_str(), priority, &of.tenant, &of.kind, &of.limited_batch, now, limit)
}

/// The number of tasks of a limited batch that may still be queued or run.
async fn batch_room(tx: &mut WriteTransaction<'_>, batch: &[u8]) -> PortResult<i64> {
    value!(tx.sql(),
        "SELECT max_concurrent - (SELECT count(*) FROM tasks
             WHERE limited_batch = ?1 AND limited_batch <> x'' AND state IN ('queued', 'running'))
         FROM batches WHERE id = ?1";
        batch)
}

async fn set_queued(tx: &mut WriteTransaction<'_>, tasks: &[ReadyRow]) -> PortResult<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let statement = transition(
        TaskEvent::Dispatch,
        "UPDATE tasks SET state = {to}, queued_at = ?
         WHERE {from} AND id IN (SELECT unhex(value) FROM json_each(?))",
    );
    let (now, ids) = (tx.now, column::id_list(tasks.iter().map(|task| &task.id)));
    execute!(tx.sql(), statement; now, ids)?;
    Ok(())
}
