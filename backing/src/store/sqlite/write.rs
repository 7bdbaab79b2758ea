//! One transaction of the writer, and what it has set in motion so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use common::{id::TaskId, port::PortResult, queue::Queue, store::Changes};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::{
    cascade::Ended,
    fate::{BatchDelta, JobDelta},
    fault::port,
    job_view,
};

/// A write under way. Dropping it undoes it.
pub struct Write<'c> {
    transaction: Transaction<'c, Sqlite>,
    /// The store's time, the same for all of this write.
    pub now: i64,
    /// Tasks that ended, whose consequences are still to be drawn.
    pub ended: VecDeque<Ended>,
    /// What the ends of tasks mean for their jobs, not yet written.
    pub jobs: BTreeMap<Uuid, JobDelta>,
    /// What the ends of jobs mean for their batches, not yet written.
    pub batches: BTreeMap<Uuid, BatchDelta>,
    /// Attempts that a live worker ended.
    pub attempts: BTreeMap<Queue, i64>,
    changed: BTreeSet<Uuid>,
    readied: BTreeSet<Queue>,
    stopping: Vec<TaskId>,
}

impl<'c> Write<'c> {
    /// Begins at `now`, in milliseconds since the epoch: waits for other processes' writes to this file to end.
    pub async fn begin(writer: &'c mut SqliteConnection, now: i64) -> PortResult<Self> {
        let transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(port)?;
        Ok(Self {
            transaction,
            now,
            ended: VecDeque::new(),
            jobs: BTreeMap::new(),
            batches: BTreeMap::new(),
            attempts: BTreeMap::new(),
            changed: BTreeSet::new(),
            readied: BTreeSet::new(),
            stopping: Vec::new(),
        })
    }

    /// The connection, inside the transaction.
    pub fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// The job's view is another one after this write.
    pub fn changes(&mut self, job: Uuid) {
        self.changed.insert(job);
    }

    /// A task of this queue became ready.
    pub fn readies(&mut self, queue: Queue) {
        self.readied.insert(queue);
    }

    /// This running task was asked to stop.
    pub fn stops(&mut self, task: Uuid) {
        self.stopping.push(TaskId(task));
    }

    /// Draws all consequences, commits, and tells what changes.
    pub async fn commit(mut self) -> PortResult<Changes> {
        self.follow().await?;
        for (queue, ended) in std::mem::take(&mut self.attempts) {
            sqlx::query("UPDATE attempts_ended SET ended = ended + ? WHERE queue = ?")
                .bind(ended)
                .bind(queue.as_str())
                .execute(self.sql())
                .await
                .map_err(port)?;
        }
        let changed: Vec<Uuid> = std::mem::take(&mut self.changed).into_iter().collect();
        let now = self.now;
        let views = job_view::load(self.sql(), &changed, now).await?.into_values().collect();
        let (readied, stopping) =
            (std::mem::take(&mut self.readied), std::mem::take(&mut self.stopping));
        self.transaction.commit().await.map_err(port)?;
        Ok(Changes { views, readied: readied.into_iter().collect(), stopping })
    }
}
