//! Inserts tasks of a job, from a plan or a growth.
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
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    column,
    single_flight::{self, Memo, Start},
    transaction::{EndedRow, Transaction},
};

/// The job that new tasks belong to.
#[derive(Debug, Clone)]
pub struct PlanOwner {
    pub job: Uuid,
    pub tenant: String,
    pub priority: i64,
    /// Its batch if that has a limit.
    pub limited_batch: Option<Uuid>,
    pub run_at: i64,
    /// The place of the first of the tasks.
    pub place: i64,
    /// The trace in messages of tasks that are queued at once.
    pub traceparent: Option<String>,
}

/// The tasks that may still be queued at once, and the messages of those that were.
#[derive(Debug, Default)]
pub struct Queueing {
    pub credit: Vec<Credit>,
    pub messages: Vec<TaskMessage>,
}

/// Columns of a new task that neither its draft nor its owner has.
struct TaskRow {
    place: i64,
    input_of: Uuid,
    needed: bool,
    state: TaskState,
}

impl Queueing {
    fn take(&mut self, queue: Queue) -> bool {
        let room = self.credit.iter_mut().find(|credit| credit.queue == queue && credit.tasks > 0);
        room.map(|credit| credit.tasks -= 1).is_some()
    }
}

/// Inserts tasks with their edges. A task whose input is `shared_input` reads its job's.
pub async fn insert_tasks(
    tx: &mut Transaction,
    owner: &PlanOwner,
    tasks: &[NewTask],
    shared_input: Option<&Value>,
    queueing: &mut Queueing,
) -> PortResult<()> {
    let needed: BTreeSet<TaskId> =
        tasks.iter().flat_map(|task| task.needs.iter().map(|need| need.task)).collect();
    for (place, task) in (owner.place..).zip(tasks) {
        let (state, memo) = first_state(tx, owner, task, queueing).await?;
        let input_of = if shared_input == Some(&task.input) { owner.job } else { task.id.0 };
        if input_of == task.id.0 {
            insert_input(tx, input_of, &task.input).await?;
        }
        let row = TaskRow { place, input_of, needed: needed.contains(&task.id), state };
        insert_task(tx, owner, task, &row, memo.as_ref()).await?;
        if memo.is_some() {
            tx.work.add(ended_row(owner, task, row.needed), TaskEvent::MemoHit, Origin::Cached);
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
    tx: &mut Transaction,
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
    let due = owner.run_at <= tx.now && owner.limited_batch.is_none();
    Ok(match start {
        Start::MemoHit(memo) => (TaskEvent::MemoHit.transition().to, Some(memo)),
        Start::Waits => (TaskState::Waiting, None),
        Start::Runs if due && queueing.take(task.queue) => {
            let message = TaskMessage::new(task.id, Fence(0), task.queue);
            queueing.messages.push(message.traced(owner.traceparent.clone()));
            (TaskEvent::Dispatch.transition().to, None)
        }
        Start::Runs => {
            tx.effects.ready_queues.insert(task.queue);
            (TaskEvent::NeedsMet.transition().to, None)
        }
    })
}

/// Stores an input.
pub async fn insert_input(tx: &mut Transaction, owner: Uuid, input: &Value) -> PortResult<()> {
    execute!(tx.sql(), "INSERT INTO inputs (owner, input) VALUES (?, ?)"; owner, Json(input))?;
    Ok(())
}

async fn insert_task(
    tx: &mut Transaction,
    owner: &PlanOwner,
    task: &NewTask,
    row: &TaskRow,
    memo: Option<&Memo>,
) -> PortResult<()> {
    let input_key = task.input_key.map(|key| key.0.to_vec());
    let key = input_key.clone().filter(|_| task.needs.is_empty());
    let needs = task.needs.len() as i64;
    let limited_batch =
        owner.limited_batch.map_or_else(Vec::new, |batch| batch.as_bytes().to_vec());
    execute!(tx.sql(),
        "INSERT INTO tasks (id, job, tenant, place, name, kind, kind_version, queue, priority,
             limited_batch, state, input_of, input_key, key, needs_left, needs, needed, run_at,
             queued_at, timeout_ms, max_attempts, cached, output, output_hash, artifacts,
             created_at, finished_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        task.id.0, owner.job, &owner.tenant, row.place, &task.name, &task.kind, task.kind_version,
        task.queue.as_str(), owner.priority, limited_batch, row.state.as_str(), row.input_of,
        input_key, key, needs, needs, row.needed, owner.run_at,
        (row.state == TaskState::Queued).then_some(tx.now), column::millis(task.timeout),
        task.max_attempts, memo.is_some(), memo.map(|memo| &memo.output),
        memo.map(|memo| &memo.output_hash), memo.map(|memo| &memo.artifacts), tx.now,
        row.state.is_final().then_some(tx.now))?;
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
