//! Claims, fences, heartbeats and losses: which worker may write about a task.

use std::{collections::BTreeSet, time::Duration};

use common::{
    error::{JobError, code},
    id::{Fence, TaskId, WorkerId},
    limits::LEASE,
    outcome::Verdict,
    plan::Overrides,
    queue::Queue,
    retry::RetryOverride,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Heartbeat, HeartbeatReply, Settled, SweepPolicy, Target, WorkerRegistration},
    submission::NewJob,
    view::{Progress, WaitingFor},
};
use serde_json::json;

use super::{
    builders::{job, only, plan, step, succeeded, task},
    each_store,
    fixture::{POLICY, SHORT, StoreFixture},
};

each_store!(
    a_claim_succeeds_once_and_carries_all_that_a_run_needs,
    a_stale_fence_cannot_settle_renew_or_release,
    only_the_claiming_worker_may_settle_renew_or_release,
    a_heartbeat_renews_the_lease_and_stores_the_progress,
    a_late_heartbeat_never_shortens_a_lease,
    a_heartbeat_reply_reports_a_cancel,
    a_lost_lease_makes_the_task_ready_and_uses_no_attempt,
    a_task_that_loses_several_workers_is_poison,
    a_release_uses_no_attempt_and_counts_no_loss,
    a_retry_waits_out_its_pause_and_keeps_its_error,
    racing_claims_give_each_task_to_one_worker,
    a_lease_is_lost_whatever_the_queue,
    a_worker_gets_no_task_that_it_cannot_run,
    a_kind_that_no_worker_runs_waits_for_a_worker,
    the_input_of_the_whole_job_comes_with_the_claim,
    the_bounds_that_a_job_sets_come_with_each_claim,
);

fn registration(worker: WorkerId) -> WorkerRegistration {
    WorkerRegistration {
        worker,
        name: "a test".into(),
        slots: vec![(Queue::Light, 4)],
        draining: false,
        kinds: Vec::new(),
    }
}

async fn the_bounds_that_a_job_sets_come_with_each_claim(on: StoreFixture) {
    let retry = RetryOverride {
        base: Some(Duration::from_millis(5)),
        ceiling: Some(Duration::from_secs(7)),
        jitter_percent: Some(0),
    };
    let overrides = Overrides {
        timeout: Some(Duration::from_secs(9)),
        max_attempts: Some(8),
        retry: Some(retry),
    };
    let steps = [step("a"), step("b").after("a").result()];
    let (bounded, plain) = (NewJob { overrides, ..plan(&steps) }, job());
    on.accept(&bounded).await;
    on.accept(&plain).await;
    let first = on.start(only(&bounded)).await;
    assert_eq!(first.overrides, overrides);
    on.succeed(&first, json!(1)).await;
    assert_eq!(on.start(task(&bounded, "b")).await.overrides, overrides);
    assert_eq!(on.start(only(&plain)).await.overrides, Overrides::default());
}

async fn a_claim_succeeds_once_and_carries_all_that_a_run_needs(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    assert_eq!(on.claim(only(&job), LEASE).await, None, "it is ready, not queued");
    let claimed = on.start(only(&job)).await;
    assert_eq!((claimed.task, claimed.job, &claimed.tenant), (only(&job), job.id, &on.tenant));
    assert_eq!(
        (claimed.name.as_str(), claimed.kind.as_str(), claimed.kind_version),
        ("only", "echo", 1)
    );
    assert_eq!(
        (claimed.input, claimed.needs.len(), claimed.result),
        (json!({"value": "only"}), 0, true)
    );
    assert_eq!(
        (claimed.fence, claimed.attempt, claimed.max_attempts, claimed.losses),
        (Fence(1), 1, 3, 0)
    );
    assert_eq!(claimed.timeout, Duration::from_secs(60));
    assert_eq!(
        (claimed.view.id, claimed.view.status, claimed.view.attempts),
        (job.id, JobStatus::Running, 1)
    );
    assert_eq!(on.job(job.id).await.status, JobStatus::Running);
    let again =
        on.store.claim(WorkerId::new(), &[only(&job), TaskId::new()], LEASE).await.expect("claims");
    assert_eq!(again, [None, None]);
}

async fn a_stale_fence_cannot_settle_renew_or_release(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let first = on.start_for(only(&job), SHORT).await;
    on.sweep_until_lost(POLICY).await;
    let second = on.start(only(&job)).await;
    assert!(second.fence > first.fence);
    for verdict in [
        succeeded(json!("late")),
        Verdict::Failed(JobError::permanent("late", "late")),
        Verdict::Cancelled,
        Verdict::Retry { error: JobError::transient("late", "late"), pause: Duration::ZERO },
    ] {
        assert_eq!(on.settle(&first, verdict).await.0, Settled::Stale);
    }
    let heartbeat = [Heartbeat { task: first.task, fence: first.fence, progress: None }];
    assert_eq!(
        on.store.heartbeat(&registration(on.worker), &heartbeat, LEASE).await.expect("heartbeats"),
        [HeartbeatReply::Stale]
    );
    let changes = on.store.release(on.worker, &[(first.task, first.fence)]).await.expect("answers");
    assert_eq!(changes, Default::default());
    assert_eq!(on.state(only(&job)).await, TaskState::Running);
    on.succeed(&second, json!("right")).await;
    assert_eq!(on.settle(&second, succeeded(json!("twice"))).await.0, Settled::Stale);
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("right"))));
}

async fn only_the_claiming_worker_may_settle_renew_or_release(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    let thief = WorkerId::new();
    let retry =
        Verdict::Retry { error: JobError::transient("x", "not its own"), pause: Duration::ZERO };
    for verdict in [succeeded(json!(0)), retry] {
        assert_eq!(
            on.settle_as(thief, claimed.task, claimed.fence, verdict).await.0,
            Settled::Stale
        );
    }
    let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
    assert_eq!(
        on.store.heartbeat(&registration(thief), &heartbeat, LEASE).await.expect("heartbeats"),
        [HeartbeatReply::Stale]
    );
    on.store.release(thief, &[(claimed.task, claimed.fence)]).await.expect("answers");
    assert_eq!(on.state(claimed.task).await, TaskState::Running);
    assert_eq!(
        on.store.heartbeat(&registration(on.worker), &heartbeat, LEASE).await.expect("heartbeats"),
        [HeartbeatReply::Held]
    );
}

async fn a_heartbeat_renews_the_lease_and_stores_the_progress(on: StoreFixture) {
    let (kept, lost) = (job(), job());
    on.accept(&kept).await;
    on.accept(&lost).await;
    let kept = on.start_for(only(&kept), SHORT).await;
    let lost = on.start_for(only(&lost), SHORT).await;
    let progress = Progress { value: 0.25, stage: Some("frames".into()) };
    let heartbeat = [
        Heartbeat { task: kept.task, fence: kept.fence, progress: Some(progress.clone()) },
        Heartbeat { task: TaskId::new(), fence: Fence(1), progress: None },
    ];
    let replies =
        on.store.heartbeat(&registration(on.worker), &heartbeat, LEASE).await.expect("heartbeats");
    assert_eq!(replies, [HeartbeatReply::Held, HeartbeatReply::Stale]);
    on.sweep_until_lost(POLICY).await;
    assert_eq!(on.state(kept.task).await, TaskState::Running);
    assert_eq!(on.state(lost.task).await, TaskState::Ready);
    assert_eq!(on.task(kept.task).await.progress, Some(progress.clone()));
    assert_eq!(on.job(kept.job).await.progress, Some(progress.clone()));
    let silent = [Heartbeat { task: kept.task, fence: kept.fence, progress: None }];
    on.store.heartbeat(&registration(on.worker), &silent, LEASE).await.expect("heartbeats");
    assert_eq!(
        on.task(kept.task).await.progress,
        Some(progress),
        "a heartbeat without news forgets nothing"
    );
}

async fn a_late_heartbeat_never_shortens_a_lease(on: StoreFixture) {
    let (long, short) = (job(), job());
    on.accept(&long).await;
    on.accept(&short).await;
    let long = on.start(only(&long)).await;
    let heartbeat = [Heartbeat { task: long.task, fence: long.fence, progress: None }];
    assert_eq!(
        on.store.heartbeat(&registration(on.worker), &heartbeat, SHORT).await.expect("heartbeats"),
        [HeartbeatReply::Held]
    );
    // This lease ends no sooner than the heartbeat's would have.
    let short = on.start_for(only(&short), SHORT).await;
    on.sweep_until_lost(POLICY).await;
    assert_eq!(
        (on.state(short.task).await, on.state(long.task).await),
        (TaskState::Ready, TaskState::Running)
    );
}

async fn a_heartbeat_reply_reports_a_cancel(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    let changes = on.cancel(Target::Job(job.id)).await;
    assert_eq!(changes.stopping, [claimed.task]);
    let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
    assert_eq!(
        on.store.heartbeat(&registration(on.worker), &heartbeat, LEASE).await.expect("heartbeats"),
        [HeartbeatReply::Cancel]
    );
}

async fn a_lost_lease_makes_the_task_ready_and_uses_no_attempt(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let first = on.start_for(only(&job), SHORT).await;
    let swept = on.sweep_until_lost(POLICY).await;
    assert_eq!((swept.lost, swept.quarantined), (1, 0));
    assert_eq!(swept.changes.readied, [Queue::Light]);
    let task = on.task(only(&job)).await;
    assert_eq!((task.state, task.attempts, task.losses), (TaskState::Ready, 0, 1));
    let second = on.start(only(&job)).await;
    assert_eq!((second.attempt, second.losses, second.fence), (1, 1, Fence(first.fence.0 + 1)));
    assert_eq!(on.job(job.id).await.attempts, 1, "the job counts as its task does");
    assert_eq!(
        on.store.sweep(POLICY).await.expect("sweeps").lost,
        0,
        "a live lease is never expired"
    );
}

async fn a_task_that_loses_several_workers_is_poison(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let policy = SweepPolicy { quarantine_after: 3, most: 100 };
    for loss in 1..=3 {
        on.start_for(only(&job), SHORT).await;
        let swept = on.sweep_until_lost(policy).await;
        assert_eq!((swept.lost, swept.quarantined), if loss < 3 { (1, 0) } else { (0, 1) });
    }
    let task = on.task(only(&job)).await;
    assert_eq!((task.state, task.losses), (TaskState::Failed, 3));
    let view = on.job(job.id).await;
    assert_eq!((task.attempts, view.attempts), (1, 1));
    assert_eq!(
        (view.status, view.error.expect("an error").code.as_str()),
        (JobStatus::Failed, code::POISON)
    );
}

async fn a_release_uses_no_attempt_and_counts_no_loss(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let first = on.start(only(&job)).await;
    let changes =
        on.store.release(on.worker, &[(first.task, first.fence)]).await.expect("releases");
    assert_eq!(changes.readied, [Queue::Light]);
    let task = on.task(only(&job)).await;
    assert_eq!((task.state, task.attempts, task.losses), (TaskState::Ready, 0, 0));
    assert_eq!(on.settle(&first, succeeded(json!("late"))).await.0, Settled::Stale);
    assert_eq!(on.job(job.id).await.attempts, 0);
    let second = on.start(only(&job)).await;
    assert_eq!((second.attempt, second.fence), (1, Fence(2)));
    on.succeed(&second, json!("right")).await;
    assert_eq!(on.job(job.id).await.attempts, 1, "the job counts as its task does");
}

async fn a_retry_waits_out_its_pause_and_keeps_its_error(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let first = on.start(only(&job)).await;
    let error = JobError::transient("busy", "come back later");
    let far = Verdict::Retry { error: error.clone(), pause: Duration::from_secs(3600) };
    let changes = on.count(&first, far).await;
    assert_eq!(changes.views.len(), 1);
    assert!(on.dispatch().await.is_empty(), "its pause is not over");
    let task = on.task(only(&job)).await;
    assert_eq!((task.state, task.attempts, task.error), (TaskState::Ready, 1, Some(error.clone())));
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.waiting_for),
        (JobStatus::Running, Some(common::view::WaitingFor::Schedule))
    );

    let job = super::builders::job();
    on.accept(&job).await;
    let first = on.start(only(&job)).await;
    on.count(&first, Verdict::Retry { error, pause: Duration::from_millis(30) }).await;
    on.until(async || on.dispatch().await.into_iter().find(|message| message.task == only(&job)))
        .await;
    let second = on.claim(only(&job), LEASE).await.expect("claims");
    assert_eq!((second.attempt, second.fence), (2, Fence(2)));
    on.fail(&second, "busy").await;
    assert_eq!(on.job(job.id).await.attempts, 2);
}

async fn racing_claims_give_each_task_to_one_worker(on: StoreFixture) {
    let jobs: Vec<_> = (0..20).map(|_| job()).collect();
    on.accept_batch(&super::builders::batch(&jobs)).await;
    let tasks: Vec<TaskId> = on.dispatch().await.into_iter().map(|message| message.task).collect();
    assert_eq!(tasks.len(), 20);
    let racers = (0..6).map(|racer| {
        let (store, mut tasks) = (on.store.clone(), tasks.clone());
        tasks.rotate_left(racer * 3);
        tokio::spawn(
            async move { store.claim(WorkerId::new(), &tasks, LEASE).await.expect("claims") },
        )
    });
    let mut won = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        won.extend(racer.await.expect("joins").into_iter().flatten().map(|claimed| claimed.task));
    }
    assert_eq!(won.len(), 20);
    assert_eq!(won.into_iter().collect::<BTreeSet<_>>(), tasks.into_iter().collect());
}

async fn a_lease_is_lost_whatever_the_queue(on: StoreFixture) {
    for queue in Queue::ALL {
        let mut job = job();
        job.tasks[0].queue = queue;
        on.accept(&job).await;
        on.start_for(only(&job), SHORT).await;
        let swept = on.sweep_until_lost(POLICY).await;
        assert_eq!((swept.lost, swept.changes.readied), (1, vec![queue]));
        on.start(only(&job)).await;
    }
}

async fn the_input_of_the_whole_job_comes_with_the_claim(on: StoreFixture) {
    let mut job = job();
    job.tasks[0].input = job.input.clone();
    on.accept(&job).await;
    assert_eq!(on.start(only(&job)).await.input, job.input);
}

/// Registers a worker with slots that runs these kinds.
async fn register(on: &StoreFixture, worker: WorkerId, kinds: &[(&str, u32)]) {
    let kinds = kinds.iter().map(|(kind, version)| ((*kind).to_owned(), *version)).collect();
    let registration = WorkerRegistration { kinds, ..registration(worker) };
    on.store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
}

/// A job of a task of this kind and version.
fn job_of(kind: &str, version: u32) -> NewJob {
    let mut job = plan(&[step("only").kind(kind).result()]);
    job.tasks[0].kind_version = version;
    job
}

/// Dispatches until this task is queued, then claims it as this worker.
async fn claim_as(on: &StoreFixture, worker: WorkerId, task: TaskId) -> bool {
    on.until(async || {
        on.dispatch().await;
        (on.state(task).await == TaskState::Queued).then_some(())
    })
    .await;
    on.store.claim(worker, &[task], LEASE).await.expect("claims")[0].is_some()
}

async fn a_worker_gets_no_task_that_it_cannot_run(on: StoreFixture) {
    let (older, newer) = (WorkerId::new(), WorkerId::new());
    register(&on, older, &[("echo", 1)]).await;
    register(&on, newer, &[("echo", 2), ("segment", 1)]).await;
    for job in [job_of("segment", 1), job_of("echo", 2)] {
        on.accept(&job).await;
        let task = only(&job);
        for _ in 0..2 {
            assert!(!claim_as(&on, older, task).await, "it does not run that");
            let view = on.job(job.id).await;
            assert_eq!((view.status, view.attempts), (JobStatus::Queued, 0));
            assert_eq!(on.state(task).await, TaskState::Ready);
        }
        assert!(claim_as(&on, newer, task).await);
        assert_eq!(on.task(task).await.attempts, 1, "the first attempt");
    }
    let older_version = job_of("echo", 1);
    on.accept(&older_version).await;
    assert!(claim_as(&on, newer, only(&older_version)).await, "newer versions run older tasks");
}

async fn a_kind_that_no_worker_runs_waits_for_a_worker(on: StoreFixture) {
    let worker = WorkerId::new();
    register(&on, worker, &[("echo", 1)]).await;
    let (unknown, newer, known) = (job_of("segment", 1), job_of("echo", 2), job_of("echo", 1));
    for job in [&unknown, &newer, &known] {
        on.accept(job).await;
    }
    assert_eq!(on.job(unknown.id).await.waiting_for, Some(WaitingFor::Worker));
    let dispatched: BTreeSet<TaskId> = on.dispatch().await.iter().map(|one| one.task).collect();
    assert_eq!(dispatched, BTreeSet::from([only(&newer), only(&known)]));
    assert!(!claim_as(&on, worker, only(&newer)).await);
    assert_eq!(on.job(unknown.id).await.waiting_for, Some(WaitingFor::Worker));
    assert_eq!(on.job(newer.id).await.waiting_for, Some(WaitingFor::Worker));
    assert_eq!(on.job(known.id).await.waiting_for, Some(WaitingFor::Slot));

    register(&on, worker, &[("echo", 2), ("segment", 1)]).await;
    for job in [unknown, newer, known] {
        assert!(claim_as(&on, worker, only(&job)).await);
    }
}
