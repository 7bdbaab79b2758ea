//! One transaction of the writer, with its consequences still to be drawn and its effects so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use common::{
    id::TaskId,
    port::PortResult,
    queue::Queue,
    rules::{
        cascade::{BatchChange, Origin, PlanChange},
        lifecycle::{TaskEvent, TaskState},
    },
};
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::errors::port;

/// A write under way. Dropping it rolls it back; `cascade::commit` ends it.
pub struct Transaction {
    transaction: sqlx::Transaction<'static, Sqlite>,
    /// The store's time, the same for all of this write, in milliseconds since the epoch.
    pub now: i64,
    pub work: Worklist,
    pub effects: Effects,
}

/// Consequences that are still to be drawn.
///
/// A work list and not recursion: one end may end a thousand other tasks.
#[derive(Debug, Default)]
pub struct Worklist {
    pub tasks: VecDeque<EndedTask>,
    pub jobs: BTreeMap<Uuid, PlanChange>,
    pub batches: BTreeMap<Uuid, BatchChange>,
}

/// A task that settled within this write.
#[derive(Debug)]
pub struct EndedTask {
    pub task: EndedRow,
    pub state: TaskState,
    pub origin: Origin,
}

/// Columns of a task that its consequences depend on.
#[derive(Debug, sqlx::FromRow)]
pub struct EndedRow {
    pub id: Uuid,
    pub job: Uuid,
    pub tenant: String,
    pub name: String,
    pub kind: String,
    pub key: Option<Vec<u8>>,
    pub needed: bool,
}

/// Effects of a write that others are notified of.
#[derive(Debug, Default)]
pub struct Effects {
    /// Jobs whose view changed.
    pub jobs: BTreeSet<Uuid>,
    /// Queues in which a task became ready.
    pub ready_queues: BTreeSet<Queue>,
    /// Running tasks that were asked to stop.
    pub tasks_to_stop: Vec<TaskId>,
    /// Attempts that live workers ended.
    pub attempts_ended: BTreeMap<Queue, i64>,
}

impl Transaction {
    /// Begins at `now`, after all earlier writes to this file have ended, of this and of other
    /// processes.
    pub async fn begin(writer: &SqlitePool, now: i64) -> PortResult<Self> {
        let transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
        Ok(Self { transaction, now, work: Worklist::default(), effects: Effects::default() })
    }

    /// The connection, inside the transaction.
    pub fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Commits as it is, without drawing consequences.
    pub async fn end(self) -> PortResult<()> {
        self.transaction.commit().await.map_err(port)
    }
}

impl Worklist {
    /// Adds a task that settled by `event`.
    pub fn add(&mut self, task: EndedRow, event: TaskEvent, origin: Origin) {
        self.tasks.push_back(EndedTask { task, state: event.transition().to, origin });
    }

    /// Adds tasks that settled by `event` without a run of their own.
    pub fn extend(&mut self, tasks: impl IntoIterator<Item = EndedRow>, event: TaskEvent) {
        let origin = if event == TaskEvent::MemoHit { Origin::Cached } else { Origin::Own };
        tasks.into_iter().for_each(|task| self.add(task, event, origin));
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.jobs.is_empty() && self.batches.is_empty()
    }
}
