//! Pauses: nothing new is queued, queued tasks go back, running tasks go on. And what operators
//! see.

use std::time::Duration;

use common::{
    id::{TenantId, WorkerId},
    limits::LEASE,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Credit, Pausable, WorkerRegistration},
    submission::{NewJob, Priority, Work},
    view::WaitingFor,
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    builders::{job, only},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_paused_queue_dispatches_nothing_and_returns_its_queued_tasks,
    a_paused_tenant_is_skipped_and_delays_no_others,
    only_the_queued_tasks_of_the_paused_tenant_are_returned,
    a_submission_with_credit_queues_nothing_that_is_paused,
    a_task_returned_during_a_pause_stays_ready,
    pauses_are_stored_and_listed,
    live_workers_are_listed_with_their_running_tasks,
    demand_reports_the_median_run_time,
    a_job_knows_how_many_tasks_of_its_queue_come_before_it,
);

fn light() -> Pausable {
    Pausable::Queue(Queue::Light)
}

async fn a_paused_queue_dispatches_nothing_and_returns_its_queued_tasks(on: StoreFixture) {
    let jobs: Vec<_> = (0..3).map(|_| job()).collect();
    for job in &jobs {
        on.accept(job).await;
        on.tick().await;
    }
    let messages = on.store.dispatch(Queue::Light, 2, 10).await.expect("dispatches").messages;
    let running = on.claim(messages[0].task, LEASE).await.expect("claims");
    on.store.pause(&light(), None).await.expect("pauses");
    let states = [
        on.state(only(&jobs[0])).await,
        on.state(only(&jobs[1])).await,
        on.state(only(&jobs[2])).await,
    ];
    assert_eq!(states, [TaskState::Running, TaskState::Ready, TaskState::Ready]);
    let dispatched = on.store.dispatch(Queue::Light, 100, 100).await.expect("dispatches");
    assert_eq!(
        (dispatched.messages.len(), dispatched.room_left, dispatched.more),
        (0, 0, false),
        "no credit for accepts, and nothing to hurry for"
    );
    assert_eq!(on.claim(messages[1].task, LEASE).await, None, "its message dispatches in vain");
    assert_eq!(on.job(jobs[1].id).await.waiting_for, Some(WaitingFor::Paused));
    on.succeed(&running, json!(1)).await;
    assert!(on.dispatch().await.is_empty());
    assert!(on.store.resume(&light()).await.expect("resumes"));
    assert_eq!(on.dispatch().await.len(), 2);
}

async fn a_paused_tenant_is_skipped_and_delays_no_others(on: StoreFixture) {
    let (held, free) = (on.as_tenant("held"), on.as_tenant("z"));
    let jobs: Vec<_> = (0..50).map(|_| job()).collect();
    for job in &jobs {
        held.accept(job).await;
    }
    let other = job();
    free.accept(&other).await;
    let pause = Pausable::Tenant(TenantId("held".into()));
    on.store.pause(&pause, None).await.expect("pauses");
    let dispatched = on.store.dispatch(Queue::Light, 10, 10).await.expect("dispatches");
    assert_eq!(
        (dispatched.messages.len(), dispatched.messages[0].task, dispatched.more),
        (1, only(&other), false)
    );
    assert_eq!(held.job(jobs[0].id).await.waiting_for, Some(WaitingFor::Paused));
    on.store.resume(&pause).await.expect("resumes");
    assert_eq!(
        on.store.dispatch(Queue::Light, 100, 100).await.expect("dispatches").messages.len(),
        50
    );
}

async fn only_the_queued_tasks_of_the_paused_tenant_are_returned(on: StoreFixture) {
    let (held, free) = (on.as_tenant("held"), on.as_tenant("free"));
    let (theirs, other) = (job(), job());
    held.accept(&theirs).await;
    free.accept(&other).await;
    assert_eq!(on.dispatch().await.len(), 2);
    on.store.pause(&Pausable::Tenant(TenantId("held".into())), None).await.expect("pauses");
    let states = [held.state(only(&theirs)).await, free.state(only(&other)).await];
    assert_eq!(states, [TaskState::Ready, TaskState::Queued]);
    assert_eq!(on.claim(only(&theirs), LEASE).await, None, "its message dispatches in vain");
}

async fn a_submission_with_credit_queues_nothing_that_is_paused(on: StoreFixture) {
    on.store.pause(&light(), None).await.expect("pauses");
    let job = job();
    let credit = [Credit { queue: Queue::Light, tasks: 5 }];
    let accepted = on
        .store
        .accept(vec![on.submission(Work::Job(job.clone()))], &credit)
        .await
        .expect("accepts");
    assert!(accepted.messages.is_empty());
    assert_eq!(on.job(job.id).await.waiting_for, Some(WaitingFor::Paused));
    assert_eq!(accepted.changes.views.len(), 1, "and its first view is reported");
    assert_eq!(accepted.changes.views[0].waiting_for, Some(WaitingFor::Paused));
}

async fn a_task_returned_during_a_pause_stays_ready(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    on.store.pause(&light(), None).await.expect("pauses");
    on.store.release(on.worker, &[(claimed.task, claimed.fence)]).await.expect("releases");
    assert!(on.dispatch().await.is_empty());
    assert_eq!(on.state(only(&job)).await, TaskState::Ready);
    on.store.resume(&light()).await.expect("resumes");
    assert_eq!(on.dispatch().await.len(), 1);
}

async fn pauses_are_stored_and_listed(on: StoreFixture) {
    let tenant = Pausable::Tenant(TenantId("a".into()));
    on.store.pause(&light(), None).await.expect("pauses");
    on.store.pause(&tenant, Some("ann@host")).await.expect("pauses");
    let pauses = on.store.pauses().await.expect("reads");
    on.tick().await;
    on.store.pause(&tenant, Some("bob@host")).await.expect("pausing twice is pausing");
    assert_eq!(on.store.pauses().await.expect("reads"), pauses, "the first pause counts");
    let shown: Vec<_> = pauses.iter().map(|pause| (&pause.target, pause.by.as_deref())).collect();
    assert_eq!(shown, [(&light(), None), (&tenant, Some("ann@host"))]);
    let now = on.store.store_time().await.expect("reads");
    assert!(pauses.iter().all(|pause| pause.since <= now && pause.since > Timestamp::UNIX_EPOCH));
    assert!(on.store.demand(Queue::Light).await.expect("reads").paused);
    assert!(!on.store.demand(Queue::Render).await.expect("reads").paused);
    assert!(on.store.resume(&tenant).await.expect("resumes"));
    assert!(!on.store.resume(&tenant).await.expect("resumes"));
    let left = on.store.pauses().await.expect("reads");
    assert_eq!(left, [pauses[0].clone()]);
}

async fn live_workers_are_listed_with_their_running_tasks(on: StoreFixture) {
    let busy = WorkerRegistration {
        worker: on.worker,
        name: "a".into(),
        slots: vec![(Queue::Light, 2)],
        draining: false,
        kinds: Vec::new(),
    };
    let idle = WorkerRegistration {
        worker: WorkerId::new(),
        name: "b".into(),
        slots: vec![(Queue::Render, 1), (Queue::Generate, 4)],
        draining: true,
        kinds: Vec::new(),
    };
    for registration in [&busy, &idle] {
        on.store.heartbeat(registration, &[], LEASE).await.expect("heartbeats");
    }
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    let workers = on.store.live_workers().await.expect("reads");
    let brief: Vec<_> = workers
        .iter()
        .map(|one| (one.worker, one.name.as_str(), one.slots.clone(), one.draining))
        .collect();
    let slots = |registration: &WorkerRegistration| registration.slots.clone();
    assert_eq!(
        brief,
        [(busy.worker, "a", slots(&busy), false), (idle.worker, "b", slots(&idle), true)]
    );
    assert_eq!(workers[0].runs.len(), 1);
    let run = &workers[0].runs[0];
    assert_eq!(
        (run.task, run.job, run.queue, run.attempt),
        (claimed.task, job.id, Queue::Light, 1)
    );
    assert_eq!((&run.tenant, &run.kind), (&on.tenant, &claimed.kind));
    assert!(workers[1].runs.is_empty());
}

async fn demand_reports_the_median_run_time(on: StoreFixture) {
    let demand = async || on.store.demand(Queue::Light).await.expect("reads");
    assert_eq!(demand().await.median_ms, None, "nothing has run");
    let (good, bad) = (job(), job());
    on.accept(&bad).await;
    on.run_badly(only(&bad), "x").await;
    assert_eq!(
        demand().await.median_ms,
        None,
        "what failed says nothing of how long success takes"
    );
    on.accept(&good).await;
    let claimed = on.start(only(&good)).await;
    on.tick().await;
    on.tick().await;
    on.succeed(&claimed, json!(1)).await;
    let median = demand().await.median_ms.expect("one has run");
    assert!((1..20_000).contains(&median), "{median} ms");
}

async fn a_job_knows_how_many_tasks_of_its_queue_come_before_it(on: StoreFixture) {
    let urgent = Priority(9);
    let jobs = [job(), job(), NewJob { priority: urgent, ..job() }];
    for job in &jobs {
        on.accept(job).await;
        on.tick().await;
    }
    let ahead = async |job: &NewJob| {
        let place = on.store.queue_place(&on.tenant, job.id).await.expect("reads");
        place.map(|place| (place.queue, place.ahead))
    };
    let light = |ahead| Some((Queue::Light, ahead));
    let found = [ahead(&jobs[0]).await, ahead(&jobs[1]).await, ahead(&jobs[2]).await];
    assert_eq!(found, [light(1), light(2), light(0)]);
    assert_eq!(on.store.dispatch(Queue::Light, 2, 2).await.expect("dispatches").messages.len(), 2);
    assert_eq!(ahead(&jobs[1]).await, light(2), "behind the two that are queued");
    on.claim(only(&jobs[2]), LEASE).await.expect("claims");
    assert_eq!(ahead(&jobs[2]).await, None, "it runs");
    assert_eq!((ahead(&jobs[0]).await, ahead(&jobs[1]).await), (light(0), light(1)));
    let (other, later) = (on.as_tenant("other"), Timestamp::now() + Duration::from_secs(3600));
    assert_eq!(other.store.queue_place(&other.tenant, jobs[0].id).await.expect("reads"), None);
    let planned = NewJob { run_at: Some(later), ..job() };
    on.accept(&planned).await;
    assert_eq!((ahead(&planned).await, ahead(&jobs[1]).await), (None, light(1)));
}
