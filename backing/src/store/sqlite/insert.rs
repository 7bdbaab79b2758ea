//! New tasks of a job, from a plan or a growth.
//!
//! A task that needs nothing is inserted in the state in which it starts, which saves a write for
//! jobs of one task.

use std::collections::BTreeSet;

use common::{
    id::{Fence, TaskId},
    plan::{NewTask, OnFailure},
    port::{PortResult, broker::TaskMessage},
    queue::Queue,
    rules::{
        cascade::Origin,
        lifecycle::{TaskEvent, TaskState},
    },
    store::Credit,
};
use uuid::Uuid;

use super::{
    column,
    single_flight::{self, Memo, Start},
    transaction::WriteTransaction,
    worklist::EndedRow,
};

/// The job that new tasks belong to.
#[derive(Debug, Clone)]
pub struct PlanOwner {
    pub job: Uuid,
    pub tenant: String,
    pub priority: i64,
    /// Its batch if that has a limit, else empty.
    pub limited_batch: Vec<u8>,
    pub run_at: i64,
    /// The place of the first of the tasks.
    pub place: i64,
    /// For messages of tasks that are queued at once.
    pub traceparent: Option<String>,
}

/// The tasks that may still be queued at once, and the messages of those that were.
#[derive(Debug, Default)]
pub struct Queueing {
    credit: Vec<Credit>,
    pub messages: Vec<TaskMessage>,
}

impl Queueing {
    /// Queues tasks under this credit.
    pub fn new(credit: &[Credit]) -> Self {
        Self { credit: credit.to_vec(), messages: Vec::new() }
    }

    fn take(&mut self, queue: Queue) -> bool {
        let room = self.credit.iter_mut().find(|credit| credit.queue == queue && credit.tasks > 0);
        room.map(|credit| credit.tasks -= 1).is_some()
    }
}

/// Inserts tasks with their edges. A task whose input is `shared_input` reads its job's.
pub async fn insert_tasks(
    tx: &mut WriteTransaction<'_>,
    owner: &PlanOwner,
    tasks: &[NewTask],
    shared_input: Option<&serde_json::Value>,
    queueing: &mut Queueing,
) -> PortResult<()> {
    let needed: BTreeSet<TaskId> =
        tasks.iter().flat_map(|task| task.needs.iter().map(|need| need.task)).collect();
    for (place, task) in (owner.place..).zip(tasks) {
        let (state, memo) = first_state(tx, owner, task, queueing).await?;
        let input_of = store_input(tx, owner, task, shared_input).await?;
        let needed = needed.contains(&task.id);
        insert_task(tx, owner, task, place, input_of, needed, state, memo.as_ref()).await?;
        if memo.is_some() {
            tx.work.add(ended_row(owner, task, needed), TaskEvent::MemoHit, Origin::Cached);
        }
    }
    for task in tasks {
        for (place, need) in (0_i64..).zip(&task.needs) {
            execute!(tx.sql(), "INSERT INTO edges (task, place, need, proceed) VALUES (?, ?, ?, ?)";
                task.id.0, place, need.task.0, need.on_failure == OnFailure::Proceed)?;
        }
    }
    Ok(())
}

/// The state of a new task, by the events that it takes at once.
async fn first_state(
    tx: &mut WriteTransaction<'_>,
    owner: &PlanOwner,
    task: &NewTask,
    queueing: &mut Queueing,
) -> PortResult<(TaskState, Option<Memo>)> {
    if !task.needs.is_empty() {
        return Ok((TaskState::Waiting, None));
    }
    let start = match task.input_key {
        Some(key) => {
            single_flight::start(tx, &owner.tenant, key, owner.priority, owner.run_at).await?
        }
        None => Start::Runs,
    };
    let due = owner.run_at <= tx.now && owner.limited_batch.is_empty();
    Ok(match start {
        Start::MemoHit(memo) => (TaskEvent::MemoHit.transition().to, Some(memo)),
        Start::Waits => (TaskState::Waiting, None),
        Start::Runs if due && queueing.take(task.queue) => {
            let message = TaskMessage::new(task.id, Fence(0), task.queue);
            queueing.messages.push(message.traced(owner.traceparent.clone()));
            (TaskEvent::Dispatch.transition().to, None)
        }
        Start::Runs => {
            tx.task_ready(task.queue);
            (TaskEvent::NeedsMet.transition().to, None)
        }
    })
}

/// Stores the task's input unless it is its job's, which is stored once for both. Returns the owner
/// of the input's row.
async fn store_input(
    tx: &mut WriteTransaction<'_>,
    owner: &PlanOwner,
    task: &NewTask,
    shared: Option<&serde_json::Value>,
) -> PortResult<Uuid> {
    if shared == Some(&task.input) {
        return Ok(owner.job);
    }
    insert_input(tx, task.id.0, &task.input).await?;
    Ok(task.id.0)
}

/// Stores an input.
pub async fn insert_input(
    tx: &mut WriteTransaction<'_>,
    owner: Uuid,
    input: &serde_json::Value,
) -> PortResult<()> {
    let input = column::text(input)?;
    execute!(tx.sql(), "INSERT INTO inputs (owner, input) VALUES (?, ?)"; owner, input)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one for each part of the row")]
async fn insert_task(
    tx: &mut WriteTransaction<'_>,
    owner: &PlanOwner,
    task: &NewTask,
    place: i64,
    input_of: Uuid,
    needed: bool,
    state: TaskState,
    memo: Option<&Memo>,
) -> PortResult<()> {
    let now = tx.now;
    let input_key = task.input_key.map(|key| key.0.to_vec());
    let key = input_key.clone().filter(|_| task.needs.is_empty());
    let needs = task.needs.len() as i64;
    execute!(tx.sql(),
        "INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version, queue, priority,
             limited_batch, state, input_of, input_key, key, needs_left, needs, needed, run_at,
             queued_at, timeout_ms, max_attempts, cached, output, output_hash, artifacts,
             created_at, finished_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        task.id.0, owner.job, &owner.tenant, place, &task.name, &task.kind, task.kind_version,
        task.queue.as_str(), owner.priority, &owner.limited_batch, state.as_str(), input_of,
        input_key, key, needs, needs, needed, owner.run_at,
        (state == TaskState::Queued).then_some(now), column::millis(task.timeout),
        task.max_attempts, memo.is_some(), memo.map(|memo| &memo.output),
        memo.map(|memo| &memo.output_hash), memo.map(|memo| &memo.artifacts), now,
        state.is_final().then_some(now))?;
    Ok(())
}

fn ended_row(owner: &PlanOwner, task: &NewTask, needed: bool) -> EndedRow {
    EndedRow {
        id: task.id.0,
        job: owner.job,
        tenant: owner.tenant.clone(),
        name: task.name.clone(),
        kind: task.kind.clone(),
        key: task.input_key.map(|key| key.0.to_vec()),
        needed,
    }
}
