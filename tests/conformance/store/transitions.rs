//! Every state with every event, compared with `rules::lifecycle::next`: a transition of the table
//! happens, and any other changes nothing.

use std::time::Duration;

use common::{
    error::JobError,
    id::{Fence, JobId, TaskId},
    limits::LEASE,
    outcome::Verdict,
    rules::lifecycle::{TaskEvent, TaskState, next},
    store::{Claimed, SweepPolicy, Target},
    submission::NewJob,
};
use serde_json::json;

use super::{
    builders::{equal, plan, step, succeeded, task},
    each_store,
    fixture::{POLICY, SHORT, StoreFixture},
};

each_store!(
    a_waiting_task_obeys_the_table,
    a_ready_task_obeys_the_table,
    a_queued_task_obeys_the_table,
    a_running_task_obeys_the_table,
    a_succeeded_task_obeys_the_table,
    a_failed_task_obeys_the_table,
    a_cancelled_task_obeys_the_table,
);

async fn a_waiting_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Waiting).await;
}

async fn a_ready_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Ready).await;
}

async fn a_queued_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Queued).await;
}

async fn a_running_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Running).await;
}

async fn a_succeeded_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Succeeded).await;
}

async fn a_failed_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Failed).await;
}

async fn a_cancelled_task_obeys_the_table(on: StoreFixture) {
    every_event(&on, TaskState::Cancelled).await;
}

async fn every_event(on: &StoreFixture, state: TaskState) {
    for event in TaskEvent::ALL.into_iter().filter(|event| can_be_caused(state, *event)) {
        let staged = stage(on, state, event).await;
        assert_eq!(on.state(staged.task).await, state, "staged for {event:?}");
        cause(on, &staged, event).await;
        let after = on.state(staged.task).await;
        assert_eq!(after, next(state, event).unwrap_or(state), "{state} after {event:?}");
    }
}

/// Returns whether the port can cause this event in this state. A memo is looked up only when a
/// task becomes ready.
fn can_be_caused(state: TaskState, event: TaskEvent) -> bool {
    match event {
        TaskEvent::MemoHit => !matches!(state, TaskState::Ready | TaskState::Queued),
        _ => true,
    }
}

/// A task in a given state, with what the event needs.
struct Staged {
    task: TaskId,
    job: JobId,
    /// Its need, or its single-flight leader: running while the task waits, settled afterwards.
    before: Claimed,
    /// The fence of its newest claim.
    fence: Fence,
}

async fn stage(on: &StoreFixture, state: TaskState, event: TaskEvent) -> Staged {
    if event == TaskEvent::Expire {
        return stage_with_deadline(on, state).await;
    }
    if state == TaskState::Waiting && matches!(event, TaskEvent::Elect | TaskEvent::MemoHit) {
        return stage_waiter(on).await;
    }
    // The result is another task, so that the end of `it` is not the job's.
    let job = plan(&[step("need"), step("it").after("need"), step("end").after("need").result()]);
    on.accept(&job).await;
    let before = on.start(task(&job, "need")).await;
    let it = task(&job, "it");
    if state != TaskState::Waiting {
        on.succeed(&before, json!(1)).await;
        lead_to(on, it, job.id, state, event).await;
    }
    Staged { task: it, job: job.id, before, fence: on.task(it).await.fence }
}

async fn stage_waiter(on: &StoreFixture) -> Staged {
    let input = json!({ "one": TaskId::new().to_string() });
    let (leader, waiter) = (equal(input.clone()), equal(input));
    on.accept(&leader).await;
    on.accept(&waiter).await;
    let before = on.start(task(&leader, "only")).await;
    Staged { task: task(&waiter, "only"), job: waiter.id, before, fence: Fence(0) }
}

/// A task whose job allows a millisecond for its start, and needs no other. It is a waiter where it
/// must wait.
async fn stage_with_deadline(on: &StoreFixture, state: TaskState) -> Staged {
    let input = json!({ "one": TaskId::new().to_string() });
    let leader = equal(input.clone());
    on.accept(&leader).await;
    let before = on.start(task(&leader, "only")).await;
    let bound = match state {
        TaskState::Waiting => equal(input),
        _ => plan(&[step("only"), step("end").after("only").result()]),
    };
    let bound = NewJob { queue_timeout: Some(Duration::from_millis(1)), ..bound };
    on.accept(&bound).await;
    let it = task(&bound, "only");
    lead_to(on, it, bound.id, state, TaskEvent::Expire).await;
    Staged { task: it, job: bound.id, before, fence: on.task(it).await.fence }
}

async fn lead_to(on: &StoreFixture, it: TaskId, job: JobId, state: TaskState, event: TaskEvent) {
    match state {
        TaskState::Waiting | TaskState::Ready => {}
        TaskState::Queued => assert!(on.dispatch().await.iter().any(|message| message.task == it)),
        TaskState::Running => {
            let expires = matches!(event, TaskEvent::Lose | TaskEvent::Quarantine);
            on.start_for(it, if expires { SHORT } else { LEASE }).await;
        }
        TaskState::Succeeded => drop(on.run(it, json!(1)).await),
        TaskState::Failed => drop(on.run_badly(it, "x").await),
        TaskState::Cancelled => drop(on.cancel(Target::Job(job)).await),
    }
}

async fn cause(on: &StoreFixture, staged: &Staged, event: TaskEvent) {
    let broken = || JobError::permanent("x", "a test wants it");
    let settle =
        async |verdict| drop(on.settle_as(on.worker, staged.task, staged.fence, verdict).await);
    match event {
        TaskEvent::NeedsMet | TaskEvent::MemoHit => {
            drop(on.settle(&staged.before, succeeded(json!(1))).await)
        }
        TaskEvent::Elect | TaskEvent::NeedFailed => {
            drop(on.settle(&staged.before, Verdict::Failed(broken())).await)
        }
        TaskEvent::Dispatch => drop(on.dispatch().await),
        TaskEvent::HandBack => drop(on.store.hand_back(&[staged.task]).await.expect("answers")),
        TaskEvent::Claim => drop(on.claim(staged.task, LEASE).await),
        TaskEvent::Succeed => settle(succeeded(json!(1))).await,
        TaskEvent::Fail => settle(Verdict::Failed(broken())).await,
        TaskEvent::Retry => settle(Verdict::Retry { error: broken(), pause: Duration::ZERO }).await,
        TaskEvent::AcknowledgeCancel => settle(Verdict::Cancelled).await,
        TaskEvent::Release => {
            drop(
                on.store.release(on.worker, &[(staged.task, staged.fence)]).await.expect("answers"),
            );
        }
        TaskEvent::Lose => sweep(on, staged, POLICY).await,
        TaskEvent::Quarantine => {
            sweep(on, staged, SweepPolicy { quarantine_after: 1, most: 100 }).await
        }
        TaskEvent::Cancel => drop(on.cancel(Target::Job(staged.job)).await),
        TaskEvent::Expire => {
            on.tick().await;
            on.tick().await;
            on.store.sweep(POLICY).await.expect("sweeps");
        }
    }
}

/// Sweeps until the expired lease was found, or once if there is no lease.
async fn sweep(on: &StoreFixture, staged: &Staged, policy: SweepPolicy) {
    if on.state(staged.task).await == TaskState::Running {
        on.sweep_until_lost(policy).await;
    } else {
        on.store.sweep(policy).await.expect("sweeps");
    }
}
