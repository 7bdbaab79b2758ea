//! Deadlines for the start: a job that does not start in the time it allows fails.

use std::time::Duration;

use common::{
    error::{ErrorClass, code},
    rules::lifecycle::{JobStatus, TaskState},
    store::{Swept, Target},
    submission::NewJob,
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::{
    builders::{batch, equal, job, only, plan, step, task},
    each_store,
    fixture::{POLICY, StoreFixture},
};

each_store!(
    a_job_that_does_not_start_in_time_fails_as_expired,
    a_plan_that_does_not_start_in_time_ends_as_a_whole,
    a_started_job_has_no_deadline,
    a_deadline_counts_from_run_at,
    the_items_of_a_batch_expire_each_by_itself,
    an_expired_leader_hands_over_to_a_waiter_that_may_still_wait,
    a_retried_expired_job_has_no_deadline,
);

fn bound(job: NewJob, ms: u64) -> NewJob {
    NewJob { queue_timeout: Some(Duration::from_millis(ms)), ..job }
}

async fn sweep_until_expired(on: &StoreFixture) -> Swept {
    on.until(async || {
        let swept = on.store.sweep(POLICY).await.expect("sweeps");
        (swept.expired > 0).then_some(swept)
    })
    .await
}

async fn a_job_that_does_not_start_in_time_fails_as_expired(on: StoreFixture) {
    let (short, long, free) = (bound(job(), 1), bound(job(), 3_600_000), job());
    for job in [&short, &long, &free] {
        on.accept(job).await;
    }
    on.dispatch().await;
    let swept = sweep_until_expired(&on).await;
    assert_eq!((swept.expired, swept.lost), (1, 0));
    assert_eq!(swept.changes.views.iter().map(|view| view.id).collect::<Vec<_>>(), [short.id]);
    let view = on.job(short.id).await;
    let error = view.error.expect("an error");
    assert_eq!(
        (view.status, error.code.as_str(), error.class),
        (JobStatus::Failed, code::EXPIRED, ErrorClass::Permanent)
    );
    assert!(
        error.detail.contains("1 ms") && error.detail.contains("queueTimeoutMs"),
        "{}",
        error.detail
    );
    let task = on.task(only(&short)).await;
    assert_eq!((task.state, task.attempts, task.errors.len()), (TaskState::Failed, 0, 1));
    assert_eq!(
        on.claim(only(&short), Duration::from_secs(1)).await,
        None,
        "its message comes too late"
    );
    for job in [&long, &free] {
        assert_eq!(on.state(only(job)).await, TaskState::Queued);
    }
    assert_eq!(on.store.sweep(POLICY).await.expect("sweeps").expired, 0);
}

async fn a_plan_that_does_not_start_in_time_ends_as_a_whole(on: StoreFixture) {
    let job = bound(plan(&[step("a"), step("b"), step("end").after("a").after("b").result()]), 1);
    on.accept(&job).await;
    sweep_until_expired(&on).await;
    on.store.sweep(POLICY).await.expect("sweeps");
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.error.expect("an error").code.as_str()),
        (JobStatus::Failed, code::EXPIRED)
    );
    let states = on.states(job.id).await;
    assert!(states.iter().all(|(_, state)| state.is_final()), "{states:?}");
    assert_eq!(on.state(task(&job, "end")).await, TaskState::Cancelled);
}

async fn a_started_job_has_no_deadline(on: StoreFixture) {
    let running = bound(job(), 1);
    let half = bound(plan(&[step("a"), step("b"), step("end").after("a").after("b").result()]), 1);
    on.accept(&running).await;
    on.accept(&half).await;
    let first = on.start(only(&running)).await;
    let a = on.start(task(&half, "a")).await;
    let due = bound(job(), 1);
    on.tick().await;
    on.tick().await;
    on.accept(&due).await;
    let swept = sweep_until_expired(&on).await;
    assert_eq!(swept.expired, 1, "only the one that had not started");
    on.store.release(on.worker, &[(first.task, first.fence)]).await.expect("releases");
    on.store.sweep(POLICY).await.expect("sweeps");
    assert_eq!(on.state(first.task).await, TaskState::Ready, "it started once");
    on.succeed(&a, json!(1)).await;
    on.run(task(&half, "b"), json!(1)).await;
    on.run(task(&half, "end"), json!(1)).await;
    assert_eq!(on.job(half.id).await.status, JobStatus::Succeeded);
}

async fn a_deadline_counts_from_run_at(on: StoreFixture) {
    let later = bound(NewJob { run_at: Some(Timestamp::now() + 1.hour()), ..job() }, 1);
    let now = bound(job(), 1);
    let long_ago = bound(NewJob { run_at: Some(Timestamp::now() - 1.hour()), ..job() }, 60_000);
    on.accept(&long_ago).await;
    on.accept(&later).await;
    on.accept(&now).await;
    assert_eq!(sweep_until_expired(&on).await.expired, 1);
    assert_eq!(on.state(only(&later)).await, TaskState::Ready);
    assert_eq!(on.state(only(&long_ago)).await, TaskState::Ready, "a time that is over is now");
}

async fn the_items_of_a_batch_expire_each_by_itself(on: StoreFixture) {
    let jobs = [bound(job(), 1), job(), bound(job(), 1)];
    let batch = batch(&jobs);
    on.accept_batch(&batch).await;
    let mut expired = 0;
    while expired < 2 {
        expired += sweep_until_expired(&on).await.expired;
    }
    on.run(only(&jobs[1]), json!(1)).await;
    let view = on.batch(&batch).await;
    assert_eq!((view.fulfilled, view.rejected, view.pending()), (1, 2, 0));
    assert!(view.settled_at.is_some());
}

async fn an_expired_leader_hands_over_to_a_waiter_that_may_still_wait(on: StoreFixture) {
    let (leader, waiter) = (bound(equal(json!({"a": 1})), 1), equal(json!({"a": 1})));
    on.accept(&leader).await;
    on.accept(&waiter).await;
    assert_eq!(on.state(only(&waiter)).await, TaskState::Waiting);
    sweep_until_expired(&on).await;
    assert_eq!(on.state(only(&leader)).await, TaskState::Failed);
    assert_eq!(on.state(only(&waiter)).await, TaskState::Ready);
}

async fn a_retried_expired_job_has_no_deadline(on: StoreFixture) {
    let job = bound(job(), 1);
    on.accept(&job).await;
    sweep_until_expired(&on).await;
    assert_eq!(on.retry(Target::Job(job.id)).await.0, 1);
    on.tick().await;
    on.tick().await;
    assert_eq!(on.store.sweep(POLICY).await.expect("sweeps").expired, 0);
    assert_eq!(on.job(job.id).await.status, JobStatus::Queued);
}
