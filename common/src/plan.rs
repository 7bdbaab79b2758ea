//! The tasks of a job and what each needs: a graph without cycles that may grow when a task succeeds.

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
};

/// What becomes of a task when something it needs does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It is cancelled too.
    #[default]
    Cancel,
    /// It runs, and sees the error as data.
    Proceed,
}

/// A task as a kind's planner writes it: needs by name, no ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Unique among the drafts of one plan or growth; shown in the plan.
    pub name: String,
    /// The kind that runs it.
    pub kind: &'static str,
    /// Its input.
    pub input: Value,
    /// Names of drafts of the same plan or growth whose outputs it takes, in this order.
    pub needs: Vec<(String, OnFailure)>,
    /// Set if its output is the job's result. One draft of a plan says so, and one of a growth
    /// whose parent did.
    pub result: bool,
}

impl Draft {
    /// A plan of one task.
    pub fn only(kind: &'static str, input: Value) -> Self {
        Self { name: kind.to_owned(), kind, input, needs: Vec::new(), result: true }
    }
}

/// One edge of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// The task whose end is waited for.
    pub task: TaskId,
    /// What its failure means.
    pub on_failure: OnFailure,
}

/// A task as it enters the store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Derived from parent and index, so that a repeated insert is the same insert.
    pub id: TaskId,
    /// Unique in its plan or growth.
    pub name: String,
    /// The kind that runs it.
    pub kind: String,
    /// The kind's version when it was planned.
    pub kind_version: u32,
    /// Whose slots it takes.
    pub queue: Queue,
    /// Its input.
    pub input: Value,
    /// What it waits for, in the order in which it takes the outputs.
    pub needs: Vec<Need>,
    /// Set if its output is the job's result.
    pub result: bool,
    /// [`key::input_key`], if equal keys share one output.
    pub input_key: Option<Digest>,
    /// An attempt that takes longer is ended.
    pub timeout: Duration,
    /// Attempts before a retryable error is final.
    pub max_attempts: u16,
}

/// A plan that can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// A draft's kind is not in the catalogue.
    #[error("task `{task}` is of kind `{kind}`, which is not known")]
    UnknownKind {
        /// The draft.
        task: String,
        /// Its kind.
        kind: String,
    },
    /// Two drafts share a name.
    #[error("two tasks are named `{0}`")]
    DuplicateName(String),
    /// A need names no draft.
    #[error("task `{task}` needs `{need}`, which is not in the plan")]
    UnknownNeed {
        /// The draft.
        task: String,
        /// What it needs.
        need: String,
    },
    /// Needs that wait for each other.
    #[error("the tasks {0:?} wait for each other in a circle")]
    Cycle(Vec<String>),
    /// Not exactly as many result tasks as there must be.
    #[error("{found} tasks hold the result where {wanted} must")]
    Results {
        /// How many say so.
        found: usize,
        /// How many must.
        wanted: usize,
    },
    /// More tasks than a job may have.
    #[error("{0} tasks are more than a job may have ({MAX_JOB_TASKS})")]
    TooMany(usize),
}

/// Bounds that a job sets for all of its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Overrides {
    /// Instead of the kind's timeout.
    pub timeout: Option<Duration>,
    /// Instead of the kind's attempts.
    pub max_attempts: Option<u16>,
}

/// What a plan belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// A job: its first plan.
    Job(JobId),
    /// A task that grew it.
    Task(TaskId),
}

impl Parent {
    /// The id of its `index`th task. Planning or growing again gives the same.
    pub fn task(self, index: u32) -> TaskId {
        match self {
            Self::Job(job) if index == 0 => TaskId::first_of(job),
            Self::Job(JobId(parent)) | Self::Task(TaskId(parent)) => TaskId::derive(parent, index),
        }
    }
}

/// Turns drafts into tasks of `parent`. `result` says whether
/// one of them must hold the job's result: always in a first plan, in a growth when the parent held it.
pub fn build(
    parent: Parent,
    drafts: Vec<Draft>,
    result: bool,
    overrides: Overrides,
    catalog: &Catalog,
) -> Result<Vec<NewTask>, PlanFault> {
    check_shape(&drafts, result)?;
    let ids: BTreeMap<String, TaskId> = drafts
        .iter()
        .zip(0..)
        .map(|(draft, index)| (draft.name.clone(), parent.task(index)))
        .collect();
    drafts
        .into_iter()
        .map(|draft| {
            let kind = catalog.get(draft.kind).ok_or_else(|| PlanFault::UnknownKind {
                task: draft.name.clone(),
                kind: draft.kind.to_owned(),
            })?;
            let need = |(name, on_failure): &(String, OnFailure)| match ids.get(name) {
                Some(task) => Ok(Need { task: *task, on_failure: *on_failure }),
                None => {
                    Err(PlanFault::UnknownNeed { task: draft.name.clone(), need: name.clone() })
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

fn check_shape(drafts: &[Draft], result: bool) -> Result<(), PlanFault> {
    if drafts.len() > MAX_JOB_TASKS {
        return Err(PlanFault::TooMany(drafts.len()));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = drafts.iter().find(|draft| !names.insert(draft.name.as_str())) {
        return Err(PlanFault::DuplicateName(twice.name.clone()));
    }
    let found = drafts.iter().filter(|draft| draft.result).count();
    let wanted = usize::from(result);
    if found != wanted {
        return Err(PlanFault::Results { found, wanted });
    }
    check_cycles(drafts)
}

/// Kahn's algorithm: take what waits for nothing until nothing can be taken; what is left waits for itself.
fn check_cycles(drafts: &[Draft]) -> Result<(), PlanFault> {
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in drafts {
        open.insert(&draft.name, draft.needs.len());
        draft
            .needs
            .iter()
            .for_each(|(need, _)| dependents.entry(need).or_default().push(&draft.name));
    }
    let mut free: Vec<&str> =
        open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    while let Some(name) = free.pop() {
        open.remove(name);
        for dependent in dependents.remove(name).unwrap_or_default() {
            if let Some(count) = open.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    free.push(dependent);
                }
            }
        }
    }
    let known: BTreeSet<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
    let unknown =
        |draft: &&Draft| draft.needs.iter().any(|(need, _)| !known.contains(need.as_str()));
    if open.is_empty() || drafts.iter().any(|draft| unknown(&draft)) {
        return Ok(());
    }
    Err(PlanFault::Cycle(open.into_keys().map(str::to_owned).collect()))
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

    fn plan(drafts: Vec<Draft>) -> Result<Vec<NewTask>, PlanFault> {
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
    fn impossible_plans_are_refused_by_name() {
        let cases = [
            (
                vec![draft("a", &["b"], true), draft("b", &["a"], false)],
                PlanFault::Cycle(vec!["a".into(), "b".into()]),
            ),
            (vec![draft("a", &["a"], true)], PlanFault::Cycle(vec!["a".into()])),
            (
                vec![draft("a", &[], true), draft("a", &[], false)],
                PlanFault::DuplicateName("a".into()),
            ),
            (
                vec![draft("a", &["z"], true)],
                PlanFault::UnknownNeed { task: "a".into(), need: "z".into() },
            ),
            (vec![draft("a", &[], false)], PlanFault::Results { found: 0, wanted: 1 }),
            (
                vec![draft("a", &[], true), draft("b", &[], true)],
                PlanFault::Results { found: 2, wanted: 1 },
            ),
        ];
        for (drafts, fault) in cases {
            assert_eq!(plan(drafts), Err(fault));
        }
    }

    #[test]
    fn planning_again_gives_the_same_ids() {
        let drafts = || vec![draft("a", &[], false), draft("b", &["a"], true)];
        assert_eq!(plan(drafts()), plan(drafts()));
    }
}
