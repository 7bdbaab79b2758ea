//! New rows as columns: one array for each column, so that any number of rows is one statement with
//! one plan.

use std::collections::BTreeMap;

use common::{
    id::Digest,
    plan::{NewTask, OnFailure},
    port::PortResult,
};
use serde_json::Value;
use uuid::Uuid;

use super::column;

/// New tasks of accepted plans and of growing tasks.
#[derive(Debug, Default)]
pub struct TaskColumns {
    /// The job of an accepted plan, or the task that grew.
    pub parent: Vec<Uuid>,
    pub id: Vec<Uuid>,
    pub place: Vec<i32>,
    pub name: Vec<String>,
    pub kind: Vec<String>,
    pub version: Vec<i32>,
    pub queue: Vec<&'static str>,
    /// None if it is the job's.
    pub input: Vec<Option<String>>,
    pub input_key: Vec<Option<Vec<u8>>>,
    pub timeout_ms: Vec<i64>,
    pub max_attempts: Vec<i16>,
    /// Array literals: arrays of arrays must be rectangular in PostgreSQL.
    pub needs: Vec<Option<String>>,
    pub proceeds: Vec<Option<String>>,
    pub needs_left: Vec<i32>,
    pub result: Vec<bool>,
    pub edges: EdgeColumns,
}

/// The edges between tasks and their needs.
#[derive(Debug, Default)]
pub struct EdgeColumns {
    pub need: Vec<Uuid>,
    pub task: Vec<Uuid>,
    pub proceed: Vec<bool>,
}

impl TaskColumns {
    /// Adds a task. An input that is the job's too is kept once, there.
    pub fn push(
        &mut self,
        parent: Uuid,
        place: i32,
        task: &NewTask,
        job_input: Option<&Value>,
    ) -> PortResult<()> {
        self.parent.push(parent);
        self.id.push(task.id.0);
        self.place.push(place);
        self.name.push(task.name.clone());
        self.kind.push(task.kind.clone());
        self.version.push(i32::try_from(task.kind_version).unwrap_or(i32::MAX));
        self.queue.push(task.queue.as_str());
        self.input.push(if job_input == Some(&task.input) {
            None
        } else {
            Some(column::text(&task.input)?)
        });
        self.input_key.push(task.input_key.map(|Digest(key)| key.to_vec()));
        self.timeout_ms.push(column::millis(task.timeout));
        self.max_attempts.push(i16::try_from(task.max_attempts).unwrap_or(i16::MAX));
        self.needs.push(literal(task, |need| need.task.to_string()));
        self.proceeds
            .push(literal(task, |need| (need.on_failure == OnFailure::Proceed).to_string()));
        self.result.push(task.result);
        // A need that is named twice is waited for once, and its failure is passed on only if both
        // say so.
        let mut edges = BTreeMap::new();
        for need in &task.needs {
            *edges.entry(need.task.0).or_insert(true) &= need.on_failure == OnFailure::Proceed;
        }
        self.needs_left.push(i32::try_from(edges.len()).unwrap_or(i32::MAX));
        for (need, proceed) in edges {
            self.edges.need.push(need);
            self.edges.task.push(task.id.0);
            self.edges.proceed.push(proceed);
        }
        Ok(())
    }
}

fn literal(task: &NewTask, member: impl Fn(&common::plan::Need) -> String) -> Option<String> {
    let members: Vec<String> = task.needs.iter().map(member).collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}
