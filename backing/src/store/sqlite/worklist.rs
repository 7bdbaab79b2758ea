//! The consequences that a write has still to draw.
//!
//! A work list and not recursion: one end may end a thousand other tasks.

use std::collections::{BTreeMap, VecDeque};

use common::rules::{
    cascade::{BatchChange, Origin, PlanChange},
    lifecycle::{TaskEvent, TaskState},
};
use uuid::Uuid;

/// Columns of a task that its consequences depend on.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EndedRow {
    pub id: Uuid,
    pub job: Uuid,
    pub tenant: String,
    pub name: String,
    pub kind: String,
    pub key: Option<Vec<u8>>,
    pub needed: bool,
}

/// A task that settled within this write.
#[derive(Debug, Clone)]
pub struct EndedTask {
    pub task: EndedRow,
    pub state: TaskState,
    pub origin: Origin,
}

/// Ends of tasks, jobs and batches, in the order in which they are followed.
#[derive(Debug, Default)]
pub struct Worklist {
    pub tasks: VecDeque<EndedTask>,
    pub jobs: BTreeMap<Uuid, PlanChange>,
    pub batches: BTreeMap<Uuid, BatchChange>,
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

    /// The changes of a job's plan so far.
    pub fn job(&mut self, job: Uuid) -> &mut PlanChange {
        self.jobs.entry(job).or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.jobs.is_empty() && self.batches.is_empty()
    }
}
