//! Plans: the tasks of a job and what each needs. A plan is a graph without cycles that may grow
//! when a task succeeds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{Digest, JobId, TaskId},
    key,
    kind::Catalog,
    limits::MAX_JOB_TASKS,
    queue::Queue,
    retry::RetryOverride,
};

/// The consequence for a task when one that it needs does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The task is cancelled too.
    #[default]
    Cancel,
    /// The task runs, and gets the error as data.
    Proceed,
}

/// A task as a kind's planner writes it: its needs by name, without ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Unique among the drafts of one plan or growth; shown in the plan.
    pub name: String,
    pub kind: &'static str,
    pub input: Value,
    /// Names of drafts of the same plan or growth. The task takes their outputs in this order.
    pub needs: Vec<(String, OnFailure)>,
    /// Set if the output is the job's result: for one draft of a plan, and for one draft of a
    /// growth whose parent was the result task.
    pub result: bool,
}

impl Draft {
    /// A plan of one task.
    pub fn only(kind: &'static str, input: Value) -> Self {
        Self { name: kind.to_owned(), kind, input, needs: Vec::new(), result: true }
    }
}

/// One edge of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The task to wait for.
    pub task: TaskId,
    pub on_failure: OnFailure,
}

/// A task as it enters the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Derived from parent and index, so that a repeated insert is the same insert.
    pub id: TaskId,
    /// Unique in its plan or growth.
    pub name: String,
    pub kind: String,
    /// The kind's version at the time of planning.
    pub kind_version: u32,
    /// The queue whose slots it takes.
    pub queue: Queue,
    pub input: Value,
    /// The tasks to wait for, in the order in which it takes their outputs.
    pub needs: Vec<Need>,
    /// Set if the output is the job's result.
    pub result: bool,
    /// [`key::input_key`], if tasks with equal keys share one output.
    pub input_key: Option<Digest>,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// Attempts before a retryable error is final.
    pub max_attempts: u16,
}

/// The error of an impossible plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("task `{task}` is of kind `{kind}`, which is not known")]
    UnknownKind { task: String, kind: String },
    #[error("two tasks are named `{0}`")]
    DuplicateName(String),
    #[error("task `{task}` needs `{need}`, which is not in the plan")]
    UnknownNeed { task: String, need: String },
    #[error("the tasks {0:?} need each other in a cycle")]
    Cycle(Vec<String>),
    /// The number of result tasks is wrong.
    #[error("{found} tasks are the result task: there must be {expected}")]
    Results { found: usize, expected: usize },
    #[error("{0} tasks are more than a job may have ({MAX_JOB_TASKS})")]
    TooMany(usize),
}

/// Bounds that a job sets for all of its tasks, in place of those of their kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overrides {
    pub timeout: Option<Duration>,
    pub max_attempts: Option<u16>,
    /// The pauses between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryOverride>,
}

/// The owner of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// A job, with its first plan.
    Job(JobId),
    /// A task, with the tasks that it adds.
    Task(TaskId),
}

impl Parent {
    /// The id of the `index`th task. Planning or growing again gives the same id.
    pub fn task(self, index: u32) -> TaskId {
        match self {
            Self::Job(job) if index == 0 => TaskId::first_of(job),
            Self::Job(JobId(parent)) | Self::Task(TaskId(parent)) => TaskId::derive(parent, index),
        }
    }
}

/// Turns drafts into tasks of `parent`. `result` says whether one of them must be the job's result
/// task: always in a first plan, and in a growth whose parent was that task.
pub fn build(
    parent: Parent,
    drafts: Vec<Draft>,
    result: bool,
    overrides: Overrides,
    catalog: &Catalog,
) -> Result<Vec<NewTask>, PlanError> {
    check_shape(&drafts, result)?;
    let ids: BTreeMap<String, TaskId> = drafts
        .iter()
        .zip(0..)
        .map(|(draft, index)| (draft.name.clone(), parent.task(index)))
        .collect();
    drafts
        .into_iter()
        .map(|draft| {
            let kind = catalog.get(draft.kind).ok_or_else(|| PlanError::UnknownKind {
                task: draft.name.clone(),
                kind: draft.kind.to_owned(),
            })?;
            let need = |(name, on_failure): &(String, OnFailure)| match ids.get(name) {
                Some(task) => Ok(Need { task: *task, on_failure: *on_failure }),
                None => {
                    Err(PlanError::UnknownNeed { task: draft.name.clone(), need: name.clone() })
                }
            };
            Ok(NewTask {
                id: ids[&draft.name],
                kind: kind.name.to_owned(),
                kind_version: kind.version,
                queue: kind.queue,
                needs: draft.needs.iter().map(need).collect::<Result<_, _>>()?,
                result: draft.result,
                input_key: kind.memo.then(|| key::input_key(kind.name, kind.version, &draft.input)),
                timeout: overrides.timeout.unwrap_or(kind.timeout),
                max_attempts: overrides.max_attempts.unwrap_or(kind.max_attempts),
                name: draft.name,
                input: draft.input,
            })
        })
        .collect()
}

fn check_shape(drafts: &[Draft], result: bool) -> Result<(), PlanError> {
    if drafts.len() > MAX_JOB_TASKS {
        return Err(PlanError::TooMany(drafts.len()));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = drafts.iter().find(|draft| !names.insert(draft.name.as_str())) {
        return Err(PlanError::DuplicateName(twice.name.clone()));
    }
    let found = drafts.iter().filter(|draft| draft.result).count();
    let expected = usize::from(result);
    if found != expected {
        return Err(PlanError::Results { found, expected });
    }
    check_cycles(drafts)
}

/// Kahn's algorithm: remove tasks that wait for nothing until none is left to remove; the rest form
/// cycles.
fn check_cycles(drafts: &[Draft]) -> Result<(), PlanError> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in drafts {
        waiting.insert(&draft.name, draft.needs.len());
        draft
            .needs
            .iter()
            .for_each(|(need, _)| dependents.entry(need).or_default().push(&draft.name));
    }
    let mut ready: Vec<&str> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = ready.pop() {
        waiting.remove(name);
        for dependent in dependents.remove(name).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    let known: BTreeSet<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
    let unknown =
        |draft: &&Draft| draft.needs.iter().any(|(need, _)| !known.contains(need.as_str()));
    if waiting.is_empty() || drafts.iter().any(|draft| unknown(&draft)) {
        return Ok(());
    }
    Err(PlanError::Cycle(waiting.into_keys().map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use serde_json::json;

    fn draft(name: &str, needs: &[&str], result: bool) -> Draft {
        Draft {
            name: name.to_owned(),
            kind: kinds::echo::NAME,
            input: json!({}),
            needs: needs.iter().map(|need| ((*need).to_owned(), OnFailure::Cancel)).collect(),
            result,
        }
    }

    fn plan(drafts: Vec<Draft>) -> Result<Vec<NewTask>, PlanError> {
        build(
            Parent::Job(JobId(uuid::Uuid::nil())),
            drafts,
            true,
            Overrides::default(),
            &Catalog::new(&[&[kinds::echo::SPEC]]),
        )
    }

    #[test]
    fn needs_become_ids_in_the_order_given() {
        let tasks = plan(vec![
            draft("c", &["b", "a"], true),
            draft("a", &[], false),
            draft("b", &["a"], false),
        ])
        .expect("a plan");
        let needs: Vec<_> = tasks[0].needs.iter().map(|need| need.task).collect();
        assert_eq!(needs, [tasks[2].id, tasks[1].id]);
    }

    #[test]
    fn impossible_plans_are_refused() {
        let cases = [
            (
                vec![draft("a", &["b"], true), draft("b", &["a"], false)],
                PlanError::Cycle(vec!["a".into(), "b".into()]),
            ),
            (vec![draft("a", &["a"], true)], PlanError::Cycle(vec!["a".into()])),
            (
                vec![draft("a", &[], true), draft("a", &[], false)],
                PlanError::DuplicateName("a".into()),
            ),
            (
                vec![draft("a", &["z"], true)],
                PlanError::UnknownNeed { task: "a".into(), need: "z".into() },
            ),
            (vec![draft("a", &[], false)], PlanError::Results { found: 0, expected: 1 }),
            (
                vec![draft("a", &[], true), draft("b", &[], true)],
                PlanError::Results { found: 2, expected: 1 },
            ),
        ];
        for (drafts, error) in cases {
            assert_eq!(plan(drafts), Err(error));
        }
    }

    #[test]
    fn planning_again_gives_the_same_ids() {
        let drafts = || vec![draft("a", &[], false), draft("b", &["a"], true)];
        assert_eq!(plan(drafts()), plan(drafts()));
    }
}
