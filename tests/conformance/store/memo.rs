//! One run for each key: waiters, memos, and the election of a new leader.

use std::time::Duration;

use common::{
    error::{JobError, code},
    key::task_key,
    outcome::Verdict,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::Target,
    submission::{NewJob, Priority},
    view::WaitingFor,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    builders::{batch, equal, grown, only, plan, step, succeeded, task, tasks},
    each_store,
    fixture::{POLICY, SHORT, StoreFixture},
};

each_store!(
    a_hundred_equal_jobs_are_one_run_and_a_hundred_results,
    a_memo_settles_a_later_equal_job_at_once,
    a_memo_belongs_to_its_tenant,
    a_memo_is_found_by_its_key,
    a_task_that_is_not_memoised_runs_each_time,
    an_output_excluded_from_the_memo_answers_only_its_own_task,
    the_key_of_a_task_is_known_when_its_last_need_settles,
    an_output_that_changes_changes_the_keys_behind_it,
    a_failed_need_leaves_a_task_without_a_key,
    a_leaders_failure_elects_the_oldest_waiter_of_the_highest_priority,
    a_leaders_failure_elects_no_waiter_of_another_tenant,
    a_task_that_arrives_while_the_leader_runs_waits_for_it,
    a_leaders_cancel_elects_one_waiter_and_a_waiters_cancel_none,
    a_leader_stays_leader_over_a_lost_lease_a_release_and_a_retry,
    a_leader_runs_at_the_highest_priority_of_its_waiters,
    a_task_due_now_does_not_wait_for_a_delayed_leader,
    equal_tasks_of_one_plan_run_once,
    a_grown_task_uses_the_memo,
    a_failure_leaves_no_memo,
    a_whole_plan_is_cached_need_by_need,
);

async fn a_hundred_equal_jobs_are_one_run_and_a_hundred_results(on: StoreFixture) {
    let jobs: Vec<_> = (0..100).map(|_| equal(json!({"same": true}))).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    let messages = on.dispatch().await;
    assert_eq!(messages.len(), 1);
    assert_eq!(on.job(jobs[99].id).await.waiting_for, Some(WaitingFor::Needs));
    let changes = on.run(messages[0].task, json!("one run")).await;
    assert_eq!(changes.views.len(), 100);
    for job in &jobs {
        let view = on.job(job.id).await;
        assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("one run"))));
    }
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.pending(), view.settled_at.is_some()), (100, 0, true));
    let mut attempts = 0;
    for job in &jobs {
        let task = on.task(only(job)).await;
        assert_eq!(task.cached, task.attempts == 0);
        attempts += task.attempts;
    }
    assert_eq!(attempts, 1);
}

async fn a_memo_settles_a_later_equal_job_at_once(on: StoreFixture) {
    let (first, second) = (equal(json!({"n": 1})), equal(json!({"n": 1.0})));
    on.accept(&first).await;
    on.run(only(&first), json!("made")).await;
    let accepted = on.accept(&second).await;
    assert!(accepted.changes.readied.is_empty());
    let view = on.job(second.id).await;
    assert_eq!(
        (view.status, view.result.clone(), view.attempts),
        (JobStatus::Succeeded, Some(json!("made")), 0)
    );
    assert!(view.finished_at.is_some());
    assert_eq!(accepted.changes.views, [view]);
    let task = on.task(only(&second)).await;
    assert_eq!((task.state, task.cached), (TaskState::Succeeded, true));
}

async fn a_memo_belongs_to_its_tenant(on: StoreFixture) {
    let (mine, theirs, waiter) =
        (equal(json!({"n": 1})), equal(json!({"n": 1})), equal(json!({"n": 1})));
    let other = on.as_tenant("other");
    on.accept(&mine).await;
    other.accept(&theirs).await;
    other.accept(&waiter).await;
    on.run(only(&mine), json!("mine")).await;
    assert_eq!(other.state(only(&waiter)).await, TaskState::Waiting, "it follows its own tenant's");
    let late = equal(json!({"n": 1}));
    other.accept(&late).await;
    assert_eq!(other.state(only(&late)).await, TaskState::Waiting);
    let claimed = other.claim(only(&theirs), common::limits::LEASE).await.expect("was queued");
    other.succeed(&claimed, json!("theirs")).await;
    for job in [&theirs, &waiter, &late] {
        assert_eq!(other.job(job.id).await.result, Some(json!("theirs")));
    }
}

async fn a_memo_is_found_by_its_key(on: StoreFixture) {
    let (done, open) = (equal(json!({"n": 1})), equal(json!({"n": 2})));
    let key = |job: &NewJob| task_key(job.tasks[0].input_key.expect("it is memoised"), &[]);
    let keys = [key(&open), key(&done)];
    on.accept(&done).await;
    on.accept(&open).await;
    assert_eq!(on.store.have_memos(&on.tenant, &keys).await.expect("reads"), [false, false]);
    on.run(only(&done), json!("made")).await;
    assert_eq!(on.store.have_memos(&on.tenant, &keys).await.expect("reads"), [false, true]);
    assert_eq!(
        on.store.have_memos(&on.as_tenant("other").tenant, &keys).await.expect("reads"),
        [false, false]
    );
    assert_eq!(on.store.have_memos(&on.tenant, &[]).await.expect("reads"), [false; 0]);
}

async fn an_output_excluded_from_the_memo_answers_only_its_own_task(on: StoreFixture) {
    let stand_in = |output| match succeeded(output) {
        Verdict::Succeeded { output, hash, artifacts, grown, .. } => {
            Verdict::Succeeded { output, hash, artifacts, grown, memo: false }
        }
        other => other,
    };
    let dependent = || {
        plan(&[step("first").memo(json!(1)), step("last").result().memo(json!(2)).after("first")])
    };
    let (first, second, whole) = (equal(json!(1)), equal(json!(1)), dependent());
    for job in [&first, &second, &whole] {
        on.accept(job).await;
    }
    assert_eq!(on.state(only(&second)).await, TaskState::Waiting, "it follows the first");
    for (job, output) in [(&first, "for now"), (&second, "for now, too"), (&whole, "and again")] {
        let claimed = on.start(only(job)).await;
        on.count(&claimed, stand_in(json!(output))).await;
    }
    let result = async |job: &NewJob| on.job(job.id).await.result;
    assert_eq!(
        (result(&first).await, result(&second).await),
        (Some(json!("for now")), Some(json!("for now, too")))
    );
    on.run(task(&whole, "last"), json!("built on it")).await;
    assert_eq!(result(&whole).await, Some(json!("built on it")));
    let (late, after) = (equal(json!(1)), equal(json!(1)));
    on.accept(&late).await;
    on.run(only(&late), json!("the real one")).await;
    on.accept(&after).await;
    assert_eq!(result(&after).await, Some(json!("the real one")), "which is remembered");
}

async fn a_task_that_is_not_memoised_runs_each_time(on: StoreFixture) {
    let (first, second) = (super::builders::job(), super::builders::job());
    on.accept(&first).await;
    on.run(only(&first), json!(1)).await;
    on.accept(&second).await;
    assert_eq!(on.state(only(&second)).await, TaskState::Ready);
}

fn chain(seed: &str) -> NewJob {
    plan(&[
        step("a").memo(json!({"seed": seed})),
        step("b").memo(json!({"of": "a"})).after("a"),
        step("c").memo(json!({"of": "b"})).after("b").result(),
    ])
}

async fn the_key_of_a_task_is_known_when_its_last_need_settles(on: StoreFixture) {
    let (first, second) = (chain("one"), chain("two"));
    on.accept(&first).await;
    on.accept(&second).await;
    // Different inputs with equal outputs: from there on the two tasks have one key.
    on.run(task(&first, "a"), json!("equal")).await;
    on.run(task(&second, "a"), json!("equal")).await;
    assert_ne!(on.state(task(&first, "b")).await, TaskState::Waiting);
    assert_eq!(on.state(task(&second, "b")).await, TaskState::Waiting);
    on.run(task(&first, "b"), json!("b")).await;
    on.run(task(&first, "c"), json!("c")).await;
    let view = on.job(second.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("c"))));
    assert_eq!((view.tasks["echo"].settled, view.tasks["echo"].cached), (3, 2));
}

async fn an_output_that_changes_changes_the_keys_behind_it(on: StoreFixture) {
    let (first, second) = (chain("one"), chain("two"));
    on.accept(&first).await;
    for name in ["a", "b", "c"] {
        on.run(task(&first, name), json!(name)).await;
    }
    on.accept(&second).await;
    on.run(task(&second, "a"), json!("another")).await;
    assert_eq!(on.state(task(&second, "b")).await, TaskState::Ready);
}

async fn a_failed_need_leaves_a_task_without_a_key(on: StoreFixture) {
    let job = || plan(&[step("a"), step("end").memo(json!({"of": "a"})).despite("a").result()]);
    let (first, second) = (job(), job());
    for job in [&first, &second] {
        on.accept(job).await;
        on.run_badly(task(job, "a"), "x").await;
    }
    assert_ne!(on.state(task(&first, "end")).await, TaskState::Waiting);
    on.run(task(&first, "end"), json!(1)).await;
    let state = on.state(task(&second, "end")).await;
    assert!(
        matches!(state, TaskState::Ready | TaskState::Queued),
        "it neither follows nor memo_hits: {state}"
    );
}

fn with_priority(priority: u8) -> NewJob {
    NewJob { priority: Priority(priority), ..equal(json!({"same": true})) }
}

async fn a_leaders_failure_elects_the_oldest_waiter_of_the_highest_priority(on: StoreFixture) {
    let (leader, low, high, later) =
        (with_priority(5), with_priority(1), with_priority(8), with_priority(8));
    for job in [&leader, &low, &high, &later] {
        on.accept(job).await;
        on.tick().await;
    }
    let changes = on.run_badly(only(&leader), "x").await;
    assert_eq!(changes.readied, [Queue::Light]);
    assert_eq!(on.job(leader.id).await.status, JobStatus::Failed);
    let states =
        [on.state(only(&low)).await, on.state(only(&high)).await, on.state(only(&later)).await];
    assert_eq!(states, [TaskState::Waiting, TaskState::Ready, TaskState::Waiting]);
    on.run(only(&high), json!("well")).await;
    for job in [&low, &later] {
        assert_eq!(on.job(job.id).await.result, Some(json!("well")));
    }
}

async fn a_leaders_failure_elects_no_waiter_of_another_tenant(on: StoreFixture) {
    let other = on.as_tenant("other");
    let (leader, waiter) = (with_priority(5), with_priority(1));
    let (their_leader, their_waiter) = (with_priority(5), with_priority(9));
    for (whose, job) in
        [(&other, &their_leader), (&other, &their_waiter), (&on, &leader), (&on, &waiter)]
    {
        whose.accept(job).await;
    }
    on.run_badly(only(&leader), "x").await;
    assert_eq!(on.state(only(&waiter)).await, TaskState::Ready);
    assert_eq!(other.state(only(&their_waiter)).await, TaskState::Waiting, "it has a leader still");
}

async fn a_task_that_arrives_while_the_leader_runs_waits_for_it(on: StoreFixture) {
    let (leader, waiter) = (with_priority(5), with_priority(9));
    on.accept(&leader).await;
    let running = on.start(only(&leader)).await;
    on.accept(&waiter).await;
    assert_eq!(on.state(only(&waiter)).await, TaskState::Waiting);
    assert_eq!(on.dispatch().await, []);
    on.succeed(&running, json!("once")).await;
    assert_eq!(on.job(waiter.id).await.result, Some(json!("once")));
}

async fn a_leaders_cancel_elects_one_waiter_and_a_waiters_cancel_none(on: StoreFixture) {
    let jobs = [with_priority(5), with_priority(5), with_priority(5)];
    for job in &jobs {
        on.accept(job).await;
    }
    on.cancel(Target::Job(jobs[1].id)).await;
    assert_eq!(on.state(only(&jobs[1])).await, TaskState::Cancelled);
    assert_eq!(on.state(only(&jobs[2])).await, TaskState::Waiting);
    on.cancel(Target::Job(jobs[0].id)).await;
    assert_eq!(on.state(only(&jobs[2])).await, TaskState::Ready);
}

async fn a_leader_stays_leader_over_a_lost_lease_a_release_and_a_retry(on: StoreFixture) {
    let (leader, waiter) = (with_priority(5), with_priority(5));
    on.accept(&leader).await;
    on.accept(&waiter).await;
    on.start_for(only(&leader), SHORT).await;
    on.sweep_until_lost(POLICY).await;
    assert_eq!(on.state(only(&waiter)).await, TaskState::Waiting);
    let claimed = on.start(only(&leader)).await;
    on.store.release(on.worker, &[(claimed.task, claimed.fence)]).await.expect("releases");
    assert_eq!(on.state(only(&waiter)).await, TaskState::Waiting);
    let claimed = on.start(only(&leader)).await;
    let error = JobError::transient("busy", "later");
    on.count(&claimed, Verdict::Retry { error, pause: Duration::ZERO }).await;
    assert_eq!(on.state(only(&waiter)).await, TaskState::Waiting);
    on.until(async || {
        on.dispatch().await.into_iter().find(|message| message.task == only(&leader))
    })
    .await;
    let claimed = on.claim(only(&leader), common::limits::LEASE).await.expect("claims");
    on.succeed(&claimed, json!("at last")).await;
    assert_eq!(on.job(waiter.id).await.result, Some(json!("at last")));
}

async fn a_leader_runs_at_the_highest_priority_of_its_waiters(on: StoreFixture) {
    let (low, other, high) = (
        with_priority(1),
        NewJob { priority: Priority(5), ..super::builders::job() },
        with_priority(9),
    );
    for job in [&low, &other, &high] {
        on.accept(job).await;
    }
    let messages: Vec<_> = on.dispatch().await.into_iter().map(|message| message.task).collect();
    assert_eq!(messages, [only(&low), only(&other)]);
}

async fn a_task_due_now_does_not_wait_for_a_delayed_leader(on: StoreFixture) {
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    let (leader, waiter) =
        (NewJob { run_at: Some(tomorrow), ..with_priority(5) }, with_priority(5));
    on.accept(&leader).await;
    assert!(on.dispatch().await.is_empty());
    on.accept(&waiter).await;
    assert_eq!(on.dispatch().await.len(), 1);
}

async fn equal_tasks_of_one_plan_run_once(on: StoreFixture) {
    let twin = |name: &str| step(name).memo(json!({"twin": 1}));
    let job =
        plan(&[twin("left"), twin("right"), step("end").after("left").after("right").result()]);
    on.accept(&job).await;
    let messages = on.dispatch().await;
    assert_eq!(messages.len(), 1);
    on.run(messages[0].task, json!("both")).await;
    let end = on.start(task(&job, "end")).await;
    assert!(end.needs.iter().all(|need| need.result == Ok(json!("both"))));
}

async fn a_grown_task_uses_the_memo(on: StoreFixture) {
    let known = equal(json!({"known": 1}));
    on.accept(&known).await;
    on.run(only(&known), json!("known")).await;
    let job = super::builders::job();
    on.accept(&job).await;
    let parent = on.start(only(&job)).await;
    on.count(
        &parent,
        grown(json!(1), tasks(parent.task.0, &[step("part").memo(json!({"known": 1})).result()])),
    )
    .await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("known"))));
}

async fn a_failure_leaves_no_memo(on: StoreFixture) {
    let (first, second) = (with_priority(5), with_priority(5));
    on.accept(&first).await;
    on.run_badly(only(&first), "x").await;
    on.accept(&second).await;
    assert_eq!(on.state(only(&second)).await, TaskState::Ready);
    let error = on.job(first.id).await.error.expect("an error");
    assert_ne!(error.code, code::CANCELLED);
}

async fn a_whole_plan_is_cached_need_by_need(on: StoreFixture) {
    let (first, second) = (chain("one"), chain("one"));
    on.accept(&first).await;
    for name in ["a", "b", "c"] {
        on.run(task(&first, name), json!(name)).await;
    }
    let accepted = on.accept(&second).await;
    assert!(accepted.messages.is_empty() && accepted.changes.readied.is_empty());
    let view = on.job(second.id).await;
    assert_eq!(
        (view.status, view.result, view.attempts),
        (JobStatus::Succeeded, Some(json!("c")), 0)
    );
    assert_eq!(view.tasks["echo"].cached, 3);
}
