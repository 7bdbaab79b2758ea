//! Random plans with random outcomes: every job settles, every task settles once, and every counter
//! matches the rows it counts.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    error::JobError,
    id::TaskId,
    limits::LEASE,
    outcome::{Settlement, Verdict},
    rules::lifecycle::JobStatus,
    store::{Settled, Target},
    submission::{NewBatch, NewJob},
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;

use super::{
    builders::{Step, batch, grown, plan, step, succeeded, task, tasks},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    random_plans_end_as_their_outcomes_say,
    random_batches_settle_whatever_is_cancelled_and_shared,
);

/// Cases of each property; a case is a few dozen writes.
const CASES: u32 = 40;

/// How a task ends when it is run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum PlannedOutcome {
    Succeeds,
    Fails,
    /// Succeeds after an attempt that is tried again.
    SucceedsLater,
    /// Succeeds and adds two tasks to the plan.
    Grows,
}

#[derive(Debug, Clone)]
struct Node {
    /// Earlier nodes that it needs, by index modulo its own, and whether it runs without them.
    needs: Vec<(usize, bool)>,
    ending: PlannedOutcome,
    /// Tasks of one letter are equal if their needs have equal outputs.
    letter: Option<u8>,
}

fn node() -> impl Strategy<Value = Node> {
    let ending = prop_oneof![
        5 => Just(PlannedOutcome::Succeeds),
        2 => Just(PlannedOutcome::Fails),
        1 => Just(PlannedOutcome::SucceedsLater),
        1 => Just(PlannedOutcome::Grows),
    ];
    (vec((0..64_usize, any::<bool>()), 0..4), ending, proptest::option::weighted(0.4, 0..3_u8))
        .prop_map(|(needs, ending, letter)| Node { needs, ending, letter })
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    vec(node(), 1..10)
}

/// The job of these nodes, whose last is the result. `nonce` keeps the letters of different cases
/// apart.
fn job_of(nodes: &[Node], nonce: Option<&str>) -> NewJob {
    let name = |index: usize| format!("n{index}");
    let step_of = |(index, node): (usize, &Node)| {
        let mut made: Step = step(&name(index));
        for (need, proceeds) in needs_of(index, node) {
            made = if proceeds { made.despite(&name(need)) } else { made.after(&name(need)) };
        }
        if let (Some(nonce), Some(letter), false) =
            (nonce, node.letter, node.ending == PlannedOutcome::Grows)
        {
            made = made.memo(json!({ "nonce": nonce, "letter": letter }));
        }
        if index + 1 == nodes.len() { made.result() } else { made }
    };
    plan(&nodes.iter().enumerate().map(step_of).collect::<Vec<_>>())
}

fn needs_of(index: usize, node: &Node) -> Vec<(usize, bool)> {
    if index == 0 {
        return Vec::new();
    }
    node.needs.iter().map(|(need, proceeds)| (need % index, *proceeds)).collect()
}

/// Returns of each node whether it succeeds when nothing is cancelled or shared.
fn expected(nodes: &[Node]) -> Vec<bool> {
    let mut well: Vec<bool> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let met = needs_of(index, node).into_iter().all(|(need, proceeds)| proceeds || well[need]);
        well.push(met && node.ending != PlannedOutcome::Fails);
    }
    well
}

/// Runs tasks until none is left to dispatch. Returns how often each task ended.
async fn run_all(
    on: &StoreFixture,
    endings: &BTreeMap<TaskId, PlannedOutcome>,
    mut before_each: impl AsyncFnMut(usize),
) -> BTreeMap<TaskId, u32> {
    let mut ended = BTreeMap::new();
    for round in 0.. {
        before_each(round).await;
        let dispatched: Vec<TaskId> =
            on.dispatch().await.into_iter().map(|message| message.task).collect();
        if dispatched.is_empty() {
            return ended;
        }
        let claimed = on.store.claim(on.worker, &dispatched, LEASE).await.expect("claims");
        let mut settlements = Vec::new();
        for claimed in claimed.into_iter().flatten() {
            let ending = endings.get(&claimed.task).copied().unwrap_or(PlannedOutcome::Succeeds);
            let verdict = match ending {
                PlannedOutcome::Fails => {
                    Verdict::Failed(JobError::permanent(&claimed.name, "a test wants it"))
                }
                PlannedOutcome::SucceedsLater if claimed.attempt == 1 => Verdict::Retry {
                    error: JobError::transient("busy", "again"),
                    pause: std::time::Duration::ZERO,
                },
                PlannedOutcome::Grows => grown(json!(1), growth(claimed.task, claimed.result)),
                PlannedOutcome::Succeeds | PlannedOutcome::SucceedsLater => {
                    succeeded(json!(claimed.name))
                }
            };
            if !matches!(verdict, Verdict::Retry { .. }) {
                *ended.entry(claimed.task).or_insert(0) += 1;
            }
            settlements.push(Settlement { task: claimed.task, fence: claimed.fence, verdict });
        }
        let (settled, _) = on.store.settle(on.worker, settlements).await.expect("settles");
        assert!(settled.iter().all(|one| *one == Settled::Counted));
    }
    ended
}

fn growth(parent: TaskId, result: bool) -> Vec<common::plan::NewTask> {
    let last = step("second").after("first");
    tasks(parent.0, &[step("first"), if result { last.result() } else { last }])
}

fn outcomes_of(job: &NewJob, nodes: &[Node]) -> BTreeMap<TaskId, PlannedOutcome> {
    nodes
        .iter()
        .enumerate()
        .map(|(index, node)| (task(job, &format!("n{index}")), node.ending))
        .collect()
}

fn try_each<S: Strategy>(strategy: &S, case: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: std::fmt::Debug,
{
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    TestRunner::new(config).run(strategy, case).unwrap_or_else(|failure| panic!("{failure}"));
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

async fn random_plans_end_as_their_outcomes_say(on: StoreFixture) {
    try_each(&nodes(), |nodes| {
        wait_for(async {
            let job = job_of(&nodes, None);
            on.accept(&job).await;
            let ended = run_all(&on, &outcomes_of(&job, &nodes), async |_| {}).await;
            prop_assert!(ended.values().all(|times| *times == 1), "a task settled twice");
            whole(&on, &job).await?;
            let view = on.job(job.id).await;
            let well = expected(&nodes)[nodes.len() - 1];
            let wanted = if well { JobStatus::Succeeded } else { JobStatus::Failed };
            prop_assert_eq!(view.status, wanted);
            if let Some(error) = view.error {
                prop_assert!(
                    blamed(&nodes).contains(&error.code),
                    "{} is not to blame",
                    error.code
                );
            }
            Ok(())
        })
    });
}

/// The nodes whose own failure may be the reason for the result's.
fn blamed(nodes: &[Node]) -> BTreeSet<String> {
    let well = expected(nodes);
    let (mut blamed, mut look) = (BTreeSet::new(), vec![nodes.len() - 1]);
    while let Some(index) = look.pop() {
        let needs = needs_of(index, &nodes[index]);
        let broken: Vec<_> =
            needs.into_iter().filter(|(need, proceeds)| !proceeds && !well[*need]).collect();
        if broken.is_empty() {
            blamed.insert(format!("n{index}"));
        }
        look.extend(broken.into_iter().map(|(need, _)| need));
    }
    blamed
}

/// Asserts that no task of a job is open, and that its view counts its tasks.
async fn whole(on: &StoreFixture, job: &NewJob) -> Result<(), TestCaseError> {
    let view = on.job(job.id).await;
    prop_assert!(view.status.is_final(), "{:?}", view);
    prop_assert!(view.waiting_for.is_none() && view.progress.is_none());
    let tasks = on.store.tasks(&on.tenant, job.id).await.expect("reads").expect("there");
    for task in &tasks {
        prop_assert!(task.state.is_final() && task.finished_at.is_some(), "{:?}", task);
    }
    let counts = view.tasks.values().fold((0, 0, 0), |sum, kind| {
        (sum.0 + kind.total as usize, sum.1 + kind.settled as usize, sum.2 + kind.cached as usize)
    });
    if tasks.len() > 1 {
        let cached = tasks.iter().filter(|task| task.cached).count();
        prop_assert_eq!(counts, (tasks.len(), tasks.len(), cached));
    }
    Ok(())
}

#[derive(Debug, Clone)]
struct RandomBatch {
    jobs: Vec<Vec<Node>>,
    stop_on_error: bool,
    max_concurrent: Option<u32>,
    /// The round in which a job is cancelled, and that job.
    cancel: Option<(usize, usize)>,
    retry: bool,
}

fn random_batch() -> impl Strategy<Value = RandomBatch> {
    let limits = (proptest::bool::weighted(0.3), proptest::option::weighted(0.3, 1..3_u32));
    let clients = (proptest::option::weighted(0.5, (0..4_usize, 0..8_usize)), any::<bool>());
    (vec(nodes(), 1..5), limits, clients).prop_map(
        |(jobs, (stop_on_error, max_concurrent), (cancel, retry))| RandomBatch {
            jobs,
            stop_on_error,
            max_concurrent,
            cancel,
            retry,
        },
    )
}

async fn random_batches_settle_whatever_is_cancelled_and_shared(on: StoreFixture) {
    try_each(&random_batch(), |random_batch| {
        wait_for(async {
            let nonce = TaskId::new().to_string();
            let jobs: Vec<NewJob> =
                random_batch.jobs.iter().map(|nodes| job_of(nodes, Some(&nonce))).collect();
            let items = NewBatch {
                stop_on_error: random_batch.stop_on_error,
                max_concurrent: random_batch.max_concurrent,
                ..batch(&jobs)
            };
            on.accept_batch(&items).await;
            let endings: BTreeMap<TaskId, PlannedOutcome> = jobs
                .iter()
                .zip(&random_batch.jobs)
                .flat_map(|(job, nodes)| outcomes_of(job, nodes))
                .collect();
            let cancel = async |round| match random_batch.cancel {
                Some((when, which)) if when == round => {
                    on.cancel(Target::Job(jobs[which % jobs.len()].id)).await;
                }
                _ => {}
            };
            run_all(&on, &endings, cancel).await;
            counted(&on, &items, &jobs).await?;
            if random_batch.retry {
                let rejected = on.batch(&items).await.rejected;
                let (again, _) = on.retry(Target::Batch(items.id)).await;
                prop_assert_eq!(again, rejected);
                // The retried tasks are new, so all succeed this time.
                run_all(&on, &endings, async |_| {}).await;
                counted(&on, &items, &jobs).await?;
                prop_assert_eq!(on.batch(&items).await.fulfilled as usize, jobs.len());
            }
            Ok(())
        })
    });
}

/// Asserts that every job of the batch is settled, and that the batch counts them.
async fn counted(
    on: &StoreFixture,
    items: &NewBatch,
    jobs: &[NewJob],
) -> Result<(), TestCaseError> {
    let mut fulfilled = 0;
    for job in jobs {
        whole(on, job).await?;
        fulfilled += u32::from(on.job(job.id).await.status == JobStatus::Succeeded);
    }
    let view = on.batch(items).await;
    let total = u32::try_from(jobs.len()).expect("few");
    prop_assert_eq!(
        (view.fulfilled, view.rejected, view.pending()),
        (fulfilled, total - fulfilled, 0)
    );
    prop_assert!(view.settled_at.is_some());
    Ok(())
}
