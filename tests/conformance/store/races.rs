//! Concurrent callers: nothing is counted twice, and nothing is left behind.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use common::{
    id::{TaskId, WorkerId},
    limits::LEASE,
    outcome::{Settlement, Verdict},
    rules::lifecycle::{JobStatus, TaskState},
    store::{Claimed, Heartbeat, HeartbeatReply, Settled, Target},
    submission::{NewJob, Work},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    builders::{batch, equal, job, only, plan, step, succeeded, task},
    each_store,
    fixture::{POLICY, SHORT, StoreFixture},
};

each_store!(
    the_tasks_of_one_job_may_all_settle_at_once,
    the_items_of_one_batch_may_all_settle_at_once,
    a_settle_and_a_sweep_never_both_count,
    a_heartbeat_and_a_sweep_never_both_win,
    a_settle_and_a_cancel_leave_one_end,
    two_settles_of_one_attempt_count_once,
    waiters_that_arrive_while_their_leader_ends_are_not_stranded,
    the_first_failures_of_a_batch_that_stops_may_come_together,
    a_batch_retried_while_its_items_settle_counts_correctly,
    sweeps_of_many_producers_end_each_lease_once,
    an_abandoned_call_takes_effect_as_a_whole_or_not_at_all,
);

fn failed() -> Verdict {
    Verdict::Failed(common::error::JobError::permanent("x", "a test wants it"))
}

/// Dispatches and claims these tasks, and settles each concurrently.
async fn settle_each(on: &StoreFixture, tasks: &[TaskId], verdict: impl Fn(usize) -> Verdict) {
    on.dispatch().await;
    let claimed = on.store.claim(on.worker, tasks, LEASE).await.expect("claims");
    let mut settles = JoinSet::new();
    for (index, claimed) in claimed.into_iter().enumerate() {
        let (on, verdict, claimed) = (on.clone(), verdict(index), claimed.expect("was queued"));
        settles.spawn(async move { on.settle(&claimed, verdict).await.0 });
    }
    assert!(settles.join_all().await.iter().all(|settled| *settled == Settled::Counted));
}

async fn the_tasks_of_one_job_may_all_settle_at_once(on: StoreFixture) {
    let names: Vec<String> = (0..60).map(|index| format!("part {index}")).collect();
    let end = names.iter().fold(step("end").result(), |end, name| end.after(name));
    let mut steps: Vec<_> = names.iter().map(|name| step(name)).collect();
    steps.push(end);
    let job = plan(&steps);
    on.accept(&job).await;
    let parts: Vec<_> = names.iter().map(|name| task(&job, name)).collect();
    settle_each(&on, &parts, |index| succeeded(json!(index))).await;
    let claimed = on.start(task(&job, "end")).await;
    let outputs: Vec<_> =
        claimed.needs.iter().map(|need| need.result.clone().expect("an output")).collect();
    assert_eq!(outputs, (0..60).map(|index| json!(index)).collect::<Vec<_>>());
    on.succeed(&claimed, json!("whole")).await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.tasks["echo"].settled, view.attempts),
        (JobStatus::Succeeded, 61, 61)
    );
}

async fn the_items_of_one_batch_may_all_settle_at_once(on: StoreFixture) {
    let jobs: Vec<_> = (0..60).map(|_| job()).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    let tasks: Vec<_> = jobs.iter().map(only).collect();
    settle_each(&on, &tasks, |index| if index % 4 == 0 { failed() } else { succeeded(json!(1)) })
        .await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (45, 15, true));
}

async fn a_settle_and_a_sweep_never_both_count(on: StoreFixture) {
    for _ in 0..15 {
        let job = job();
        on.accept(&job).await;
        let claimed = on.start_for(only(&job), SHORT).await;
        let sweep = on.until(async || {
            let swept = on.store.sweep(POLICY).await.expect("sweeps");
            let over = on.state(claimed.task).await != TaskState::Running;
            (swept.lost > 0 || over).then_some(swept.lost)
        });
        // The settlement comes when the lease is about to end, before or after the sweep.
        let settle = async {
            tokio::time::sleep(SHORT).await;
            on.settle(&claimed, succeeded(json!(1))).await.0
        };
        let (lost, settled) = futures::future::join(sweep, settle).await;
        assert_eq!(u32::from(settled == Settled::Counted) + lost, 1, "{settled:?} and {lost} lost");
        let wanted = if lost == 1 { TaskState::Ready } else { TaskState::Succeeded };
        assert_eq!(on.state(only(&job)).await, wanted);
        on.cancel(Target::Job(job.id)).await;
    }
}

async fn a_heartbeat_and_a_sweep_never_both_win(on: StoreFixture) {
    let registration = on.registration();
    let jobs: Vec<_> = (0..40).map(|_| job()).collect();
    on.accept_batch(&batch(&jobs)).await;
    on.dispatch().await;
    let tasks: Vec<_> = jobs.iter().map(only).collect();
    let claimed = on.store.claim(on.worker, &tasks, SHORT).await.expect("claims");
    let (on, registration) = (&on, &registration);
    let heartbeats = claimed.into_iter().flatten().map(|claimed| async move {
        tokio::time::sleep(SHORT).await;
        let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
        (
            claimed.task,
            on.store.heartbeat(registration, &heartbeat, LEASE).await.expect("heartbeats")[0],
        )
    });
    let sweeps = async {
        let mut lost = 0;
        for _ in 0..20 {
            lost += on.store.sweep(POLICY).await.expect("sweeps").lost;
            tokio::time::sleep(SHORT / 10).await;
        }
        lost
    };
    let (replies, mut lost) =
        futures::future::join(futures::future::join_all(heartbeats), sweeps).await;
    lost += on.store.sweep(POLICY).await.expect("sweeps").lost;
    for (task, reply) in &replies {
        let wanted = if *reply == HeartbeatReply::Held {
            (TaskState::Running, 0)
        } else {
            (TaskState::Ready, 1)
        };
        let found = on.task(*task).await;
        assert_eq!((found.state, found.losses), wanted, "{reply:?}");
    }
    let stale = replies.iter().filter(|(_, reply)| *reply == HeartbeatReply::Stale).count();
    assert_eq!(stale as u32, lost);
}

async fn a_settle_and_a_cancel_leave_one_end(on: StoreFixture) {
    for round in 0..20 {
        let job = plan(&[step("a"), step("end").after("a").result()]);
        let items = batch(std::slice::from_ref(&job));
        on.accept_batch(&items).await;
        let claimed = on.start(task(&job, "a")).await;
        let (one, two) = (on.clone(), on.clone());
        let id = job.id;
        let verdict = if round % 2 == 0 { succeeded(json!(1)) } else { failed() };
        let settle = tokio::spawn(async move { one.settle(&claimed, verdict).await.0 });
        let cancel = tokio::spawn(async move { two.cancel(Target::Job(id)).await });
        assert_eq!(settle.await.expect("joins"), Settled::Counted);
        cancel.await.expect("joins");
        let view = on.job(job.id).await;
        assert!(view.status.is_final(), "{view:?}");
        let counts = on.batch(&items).await;
        assert_eq!((counts.rejected, counts.pending()), (1, 0));
    }
}

async fn two_settles_of_one_attempt_count_once(on: StoreFixture) {
    for _ in 0..20 {
        let job = job();
        on.accept(&job).await;
        let claimed = on.start(only(&job)).await;
        let mut settles = JoinSet::new();
        for output in 0..4 {
            let (on, claimed) = (on.clone(), claimed.clone());
            settles.spawn(async move {
                (on.settle(&claimed, succeeded(json!(output))).await.0, output)
            });
        }
        let counted: Vec<_> = settles
            .join_all()
            .await
            .into_iter()
            .filter(|(settled, _)| *settled == Settled::Counted)
            .collect();
        assert_eq!(counted.len(), 1);
        assert_eq!(on.job(job.id).await.result, Some(json!(counted[0].1)));
    }
}

/// Runs tasks until none is left.
async fn drain(on: &StoreFixture, verdict: impl Fn(&Claimed) -> Verdict) {
    loop {
        let tasks: Vec<TaskId> =
            on.dispatch().await.into_iter().map(|message| message.task).collect();
        if tasks.is_empty() {
            return;
        }
        let claimed = on.store.claim(on.worker, &tasks, LEASE).await.expect("claims");
        let settlements = claimed.into_iter().flatten().map(|claimed| Settlement {
            task: claimed.task,
            fence: claimed.fence,
            verdict: verdict(&claimed),
        });
        on.store.settle(on.worker, settlements.collect()).await.expect("settles");
    }
}

async fn waiters_that_arrive_while_their_leader_ends_are_not_stranded(on: StoreFixture) {
    for round in 0..12 {
        let input = json!({ "round": round });
        let leader = equal(input.clone());
        on.accept(&leader).await;
        let claimed = on.start(only(&leader)).await;
        let waiters: Vec<NewJob> = (0..8).map(|_| equal(input.clone())).collect();
        let mut accepting = JoinSet::new();
        for waiter in &waiters {
            let (on, waiter) = (on.clone(), waiter.clone());
            accepting.spawn(async move { drop(on.accept(&waiter).await) });
        }
        let verdict = if round % 2 == 0 { succeeded(json!("shared")) } else { failed() };
        on.count(&claimed, verdict).await;
        accepting.join_all().await;
        drain(&on, |_| succeeded(json!("shared"))).await;
        for waiter in &waiters {
            let view = on.job(waiter.id).await;
            assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("shared"))));
        }
    }
}

async fn the_first_failures_of_a_batch_that_stops_may_come_together(on: StoreFixture) {
    let jobs: Vec<_> = (0..30).map(|_| job()).collect();
    let items = common::submission::NewBatch { stop_on_error: true, ..batch(&jobs) };
    on.accept_batch(&items).await;
    let tasks: Vec<_> = jobs.iter().take(15).map(only).collect();
    settle_each(&on, &tasks, |index| if index % 2 == 0 { failed() } else { succeeded(json!(1)) })
        .await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (7, 23, true));
    assert!(on.dispatch().await.is_empty());
}

async fn a_batch_retried_while_its_items_settle_counts_correctly(on: StoreFixture) {
    let jobs: Vec<_> = (0..20).map(|_| job()).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    let settles = {
        let on = on.clone();
        let tasks: Vec<_> = jobs.iter().map(only).collect();
        tokio::spawn(async move { settle_each(&on, &tasks, |_| failed()).await })
    };
    let mut again = 0;
    for _ in 0..5 {
        again += on.retry(Target::Batch(items.id)).await.0;
    }
    settles.await.expect("joins");
    again += on.retry(Target::Batch(items.id)).await.0;
    assert_eq!(again, 20, "each item failed once and was retried once");
    assert_eq!(on.batch(&items).await.pending(), 20);
    drain(&on, |_| succeeded(json!(1))).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (20, 0, true));
}

async fn sweeps_of_many_producers_end_each_lease_once(on: StoreFixture) {
    let jobs: Vec<_> = (0..20).map(|_| job()).collect();
    let submissions = jobs.iter().map(|job| on.submission(Work::Job(job.clone()))).collect();
    on.try_accept(submissions).await.expect("accepts");
    on.dispatch().await;
    let tasks: Vec<_> = jobs.iter().map(only).collect();
    on.store.claim(WorkerId::new(), &tasks, SHORT).await.expect("claims");
    let lost = AtomicU32::new(0);
    let sweeper = || {
        on.until(async || {
            let found = on.store.sweep(POLICY).await.expect("sweeps").lost;
            (lost.fetch_add(found, Ordering::SeqCst) + found >= 20).then_some(())
        })
    };
    futures::future::join_all((0..4).map(|_| sweeper())).await;
    assert_eq!(lost.load(Ordering::SeqCst), 20);
    for task in &tasks {
        assert_eq!(on.task(*task).await.losses, 1);
    }
}

async fn an_abandoned_call_takes_effect_as_a_whole_or_not_at_all(on: StoreFixture) {
    for round in 0..25 {
        let jobs: Vec<_> =
            (0..10).map(|_| plan(&[step("a"), step("end").after("a").result()])).collect();
        let items = batch(&jobs);
        let accept = on.try_accept(vec![on.submission(Work::Batch(items.clone()))]);
        let given_up =
            tokio::time::timeout(Duration::from_micros(300 * round), accept).await.is_err();
        // A commit may have been under way. The store decides, and asking again is safe.
        let there = on.store.batch(&on.tenant, items.id).await.expect("reads").is_some();
        assert!(given_up || there, "what was answered is there");
        let listed = on
            .store
            .items(&on.tenant, items.id, 0, 100)
            .await
            .expect("reads")
            .map_or(0, |items| items.len());
        assert!(listed == 0 || listed == 10, "{listed} items of 10");
        on.accept_batch(&items).await;
        for job in &jobs {
            assert_eq!(on.states(job.id).await.len(), 2);
        }
    }
}
