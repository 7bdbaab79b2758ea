//! Counts and ranks: attempts, starts, ends, and which of two views is newer.

use std::time::Duration;

use super::{
    builders::{job, plan, step, succeeded, task},
    each_store,
    fixture::StoreFixture,
};
use common::{
    error::{JobError, code},
    limits::LEASE,
    outcome::{Settlement, Verdict},
    queue::Queue,
    rules::lifecycle::JobStatus,
    store::{Claimed, Target},
    view::Rank,
};
use serde_json::json;

each_store!(
    ended_attempts_of_plans_are_counted_once_each,
    the_attempts_of_a_plan_are_counted_once_over_its_retries,
    a_job_started_when_its_first_attempt_did,
    attempts_settled_in_one_call_are_counted_each,
    every_end_outranks_the_reports_of_its_attempts,
    actions_of_operators_and_clients_outrank_earlier_views,
    a_released_task_leaves_its_job_running,
    a_cancelled_job_of_any_number_of_tasks_says_so,
);

fn again() -> Verdict {
    Verdict::Retry { error: JobError::transient("x", "a test wants it"), pause: Duration::ZERO }
}

async fn ended_attempts_of_plans_are_counted_once_each(on: StoreFixture) {
    let job = plan(&[step("a"), step("b"), step("end").after("a").after("b").result()]);
    on.accept(&job).await;
    let ended = async || on.store.dispatch(Queue::Light, 0, 0).await.expect("dispatches").ended;
    let before = ended().await;
    let claimed = on.start(task(&job, "a")).await;
    on.count(&claimed, again()).await;
    assert_eq!(ended().await - before, 1);
    on.run(task(&job, "a"), json!(1)).await;
    assert_eq!(ended().await - before, 2);
    on.run_badly(task(&job, "b"), "x").await;
    assert_eq!(ended().await - before, 3, "what never ran did not end");
}

async fn attempts_settled_in_one_call_are_counted_each(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    for job in &jobs {
        on.accept(job).await;
    }
    let ended = async || on.store.dispatch(Queue::Light, 0, 0).await.expect("dispatches").ended;
    let before = ended().await;
    let tasks: Vec<_> = on.dispatch().await.iter().map(|message| message.task).collect();
    let claimed = on.store.claim(on.worker, &tasks, LEASE).await.expect("claims");
    let settle = |one: Claimed| Settlement {
        task: one.task,
        fence: one.fence,
        verdict: succeeded(json!(1)),
    };
    on.store
        .settle(on.worker, claimed.into_iter().flatten().map(settle).collect())
        .await
        .expect("settles");
    assert_eq!(ended().await - before, 3);
}

async fn the_attempts_of_a_plan_are_counted_once_over_its_retries(on: StoreFixture) {
    let job = plan(&[step("a"), step("end").after("a").result()]);
    on.accept(&job).await;
    let attempts = async || on.job(job.id).await.attempts;
    for nth in 1..=2 {
        let claimed = on.start(task(&job, "a")).await;
        assert_eq!(attempts().await, nth, "while it runs");
        on.count(&claimed, again()).await;
        assert_eq!(attempts().await, nth, "while it waits");
    }
    let claimed = on.start(task(&job, "a")).await;
    assert_eq!(attempts().await, 3);
    on.succeed(&claimed, json!(1)).await;
    assert_eq!(attempts().await, 3);
    on.run(task(&job, "end"), json!(2)).await;
    assert_eq!(attempts().await, 4);
}

async fn a_job_started_when_its_first_attempt_did(on: StoreFixture) {
    let planned = || plan(&[step("only"), step("end").after("only").result()]);
    for (job, retried) in [(job(), true), (planned(), true), (planned(), false)] {
        on.accept(&job).await;
        let mut claimed = on.start(task(&job, "only")).await;
        let first = on.job(job.id).await.started_at.expect("it runs");
        if retried {
            on.tick().await;
            on.count(&claimed, again()).await;
            on.tick().await;
            claimed = on.start(task(&job, "only")).await;
        }
        on.succeed(&claimed, json!(1)).await;
        if let [_, end] = job.tasks.as_slice() {
            on.tick().await;
            on.run(end.id, json!(1)).await;
        }
        let view = on.job(job.id).await;
        assert_eq!((view.status, view.started_at), (JobStatus::Succeeded, Some(first)));
    }
}

/// The highest rank of any view that the worker of an attempt may have put on the view cache.
fn highest(claimed: &Claimed) -> Rank {
    Rank { version: claimed.view.rank.version, fence: i64::MAX, sequence: u64::MAX }
}

async fn every_end_outranks_the_reports_of_its_attempts(on: StoreFixture) {
    let failed = || Verdict::Failed(JobError::permanent("x", "a test wants it"));
    for (verdict, cancelled) in
        [(succeeded(json!(1)), false), (failed(), false), (Verdict::Cancelled, true)]
    {
        for job in [job(), plan(&[step("side"), step("only").result()])] {
            on.accept(&job).await;
            let claimed = on.start(task(&job, "only")).await;
            if cancelled {
                on.cancel(Target::Job(job.id)).await;
            }
            on.count(&claimed, verdict.clone()).await;
            if let [side, _] = job.tasks.as_slice()
                && on.claim(side.id, LEASE).await.is_some()
            {
                on.cancel(Target::Job(job.id)).await;
            }
            assert!(on.job(job.id).await.rank > highest(&claimed), "{verdict:?}");
        }
    }
}

async fn actions_of_operators_and_clients_outrank_earlier_views(on: StoreFixture) {
    let single = job();
    on.accept(&single).await;
    on.start(task(&single, "only")).await;
    let running = on.job(single.id).await.rank;
    on.cancel(Target::Job(single.id)).await;
    assert!(on.job(single.id).await.rank.version > running.version, "a cancel of what runs");
    let job = plan(&[step("a"), step("end").after("a").result()]);
    on.accept(&job).await;
    let claimed = on.start(task(&job, "a")).await;
    on.count(&claimed, again()).await;
    let retried = on.job(job.id).await.rank;
    let claimed = on.start(task(&job, "a")).await;
    on.cancel(Target::Job(job.id)).await;
    let cancelling = on.job(job.id).await.rank;
    assert!(cancelling.version > retried.version, "a cancel");
    on.count(&claimed, Verdict::Cancelled).await;
    let cancelled = on.job(job.id).await.rank;
    assert!(cancelled.version > cancelling.version, "its end");
    on.retry(Target::Job(job.id)).await;
    assert!(on.job(job.id).await.rank.version > cancelled.version, "a retry");
}

async fn a_released_task_leaves_its_job_running(on: StoreFixture) {
    let job = plan(&[step("a"), step("end").after("a").result()]);
    on.accept(&job).await;
    let accepted = on.job(job.id).await.rank;
    let claimed = on.start(task(&job, "a")).await;
    let changes =
        on.store.release(on.worker, &[(claimed.task, claimed.fence)]).await.expect("releases");
    assert_eq!(changes.views.len(), 1);
    let view = on.job(job.id).await;
    assert_eq!(view.status, JobStatus::Running, "it has begun, and waits for a slot");
    assert!(view.rank.version > accepted.version);
}

async fn a_cancelled_job_of_any_number_of_tasks_says_so(on: StoreFixture) {
    for job in [job(), plan(&[step("a"), step("end").after("a").result()])] {
        on.accept(&job).await;
        on.cancel(Target::Job(job.id)).await;
        let view = on.job(job.id).await;
        assert_eq!(view.status, JobStatus::Cancelled);
        assert_eq!(view.error.map(|error| error.code), Some(code::CANCELLED.into()));
    }
}
