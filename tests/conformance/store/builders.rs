//! Builders of jobs and plans for tests: names instead of ids, and defaults for the rest.

use std::time::Duration;

use common::{
    id::{BatchId, JobId, TaskId},
    key,
    outcome::Verdict,
    plan::{Need, NewTask, OnFailure, Overrides},
    queue::Queue,
    submission::{NewBatch, NewItem, NewJob, Priority},
};
use serde_json::{Value, json};

/// A task of a plan that is being built.
#[derive(Debug, Clone)]
pub struct Step {
    pub name: String,
    pub kind: String,
    pub needs: Vec<(String, OnFailure)>,
    pub result: bool,
    pub memo: Option<Value>,
}

/// A task without needs or memo that is not the result.
pub fn step(name: &str) -> Step {
    Step {
        name: name.to_owned(),
        kind: "echo".to_owned(),
        needs: Vec::new(),
        result: false,
        memo: None,
    }
}

impl Step {
    /// Makes the task need `need`, and be cancelled when that does not succeed.
    pub fn after(mut self, need: &str) -> Self {
        self.needs.push((need.to_owned(), OnFailure::Cancel));
        self
    }

    /// Makes the task need `need`, and run even when that does not succeed.
    pub fn despite(mut self, need: &str) -> Self {
        self.needs.push((need.to_owned(), OnFailure::Proceed));
        self
    }

    /// Makes its output the job's result.
    pub fn result(mut self) -> Self {
        self.result = true;
        self
    }

    /// Makes the task share its output with every task of the same kind and `input`.
    pub fn memo(mut self, input: Value) -> Self {
        self.memo = Some(input);
        self
    }

    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = kind.to_owned();
        self
    }
}

/// The tasks that `parent` (a job, or a task that grows) adds.
pub fn tasks(parent: uuid::Uuid, steps: &[Step]) -> Vec<NewTask> {
    let id = |name: &str| {
        let index = steps.iter().position(|step| step.name == name).expect("a step of this name");
        TaskId::derive(parent, index as u32)
    };
    let task = |step: &Step| {
        let input = step.memo.clone().unwrap_or_else(|| json!({ "value": step.name }));
        NewTask {
            id: id(&step.name),
            name: step.name.clone(),
            kind: step.kind.clone(),
            kind_version: 1,
            queue: Queue::Light,
            needs: step
                .needs
                .iter()
                .map(|(need, on_failure)| Need { task: id(need), on_failure: *on_failure })
                .collect(),
            result: step.result,
            input_key: step.memo.as_ref().map(|input| key::input_key(&step.kind, 1, input)),
            input,
            timeout: Duration::from_secs(60),
            max_attempts: 3,
        }
    };
    steps.iter().map(task).collect()
}

/// A job of these steps.
pub fn plan(steps: &[Step]) -> NewJob {
    let id = JobId::new();
    NewJob {
        id,
        kind: "echo".to_owned(),
        input: json!({ "value": 1 }),
        priority: Priority::default(),
        run_at: None,
        queue_timeout: None,
        tags: Vec::new(),
        metadata: None,
        overrides: Overrides::default(),
        tasks: tasks(id.0, steps),
        trace: None,
        unique: None,
    }
}

/// A job of one task.
pub fn job() -> NewJob {
    plan(&[step("only").result()])
}

/// A job of one task that shares its output with equal tasks.
pub fn equal(input: Value) -> NewJob {
    plan(&[step("only").result().memo(input)])
}

/// The id of a job's task.
pub fn task(job: &NewJob, name: &str) -> TaskId {
    job.tasks.iter().find(|task| task.name == name).expect("a task of this name").id
}

/// The id of a job's first task.
pub fn only(job: &NewJob) -> TaskId {
    job.tasks[0].id
}

/// A batch of these jobs.
pub fn batch(jobs: &[NewJob]) -> NewBatch {
    batch_of(jobs.iter().cloned().map(NewItem::Job).collect())
}

/// A batch of these items.
pub fn batch_of(items: Vec<NewItem>) -> NewBatch {
    NewBatch { id: BatchId::new(), items, max_concurrent: None, stop_on_error: false }
}

/// A success with this output.
pub fn succeeded(output: Value) -> Verdict {
    grown(output, Vec::new())
}

/// A success with this output that adds tasks.
pub fn grown(output: Value, grown: Vec<NewTask>) -> Verdict {
    Verdict::Succeeded {
        hash: key::output_hash(&output),
        output,
        artifacts: Vec::new(),
        grown,
        memo: true,
    }
}
