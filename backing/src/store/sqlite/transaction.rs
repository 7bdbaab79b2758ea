//! One transaction of the writer, with its work list and what it has changed so far.

use std::collections::{BTreeMap, BTreeSet};

use common::{id::TaskId, port::PortResult, queue::Queue, store::Changes};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::{errors::port, job_views, worklist::Worklist};

/// A write under way. Dropping it rolls it back; `cascade::commit` ends it.
pub struct WriteTransaction<'c> {
    transaction: Transaction<'c, Sqlite>,
    /// The store's time, the same for all of this write, in milliseconds since the epoch.
    pub now: i64,
    /// Consequences that are still to be drawn.
    pub work: Worklist,
    attempts: BTreeMap<Queue, i64>,
    changed: BTreeSet<Uuid>,
    ready_queues: BTreeSet<Queue>,
    to_stop: Vec<TaskId>,
}

impl<'c> WriteTransaction<'c> {
    /// Begins at `now`, after other processes' writes to this file have ended.
    pub async fn begin(writer: &'c mut SqliteConnection, now: i64) -> PortResult<Self> {
        let transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
        Ok(Self {
            transaction,
            now,
            work: Worklist::default(),
            attempts: BTreeMap::new(),
            changed: BTreeSet::new(),
            ready_queues: BTreeSet::new(),
            to_stop: Vec::new(),
        })
    }

    /// The connection, inside the transaction.
    pub fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Notes that this job's view changes.
    pub fn job_changed(&mut self, job: Uuid) {
        self.changed.insert(job);
    }

    /// Notes that a task of this queue became ready.
    pub fn task_ready(&mut self, queue: Queue) {
        self.ready_queues.insert(queue);
    }

    /// Notes that this running task was asked to stop.
    pub fn task_to_stop(&mut self, task: Uuid) {
        self.to_stop.push(TaskId(task));
    }

    /// Notes that a live worker ended an attempt of this queue.
    pub fn attempt_ended(&mut self, queue: Queue) {
        *self.attempts.entry(queue).or_default() += 1;
    }

    /// Commits and returns the changes. Its work list must be empty.
    pub async fn finish(mut self) -> PortResult<Changes> {
        debug_assert!(self.work.is_empty(), "consequences are not drawn");
        for (queue, ended) in std::mem::take(&mut self.attempts) {
            execute!(self.sql(), "UPDATE attempt_counts SET ended = ended + ? WHERE queue = ?";
                ended, queue.as_str())?;
        }
        let changed: Vec<Uuid> = std::mem::take(&mut self.changed).into_iter().collect();
        let now = self.now;
        let views = job_views::load(self.sql(), &changed, now).await?.into_values().collect();
        self.transaction.commit().await.map_err(port)?;
        let readied = self.ready_queues.into_iter().collect();
        Ok(Changes { views, readied, stopping: self.to_stop })
    }
}
