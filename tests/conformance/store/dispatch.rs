//! From `ready` to `queued` and back: room, priorities, fairness, lost messages, demand.

use std::{collections::BTreeSet, time::Duration};

use common::{
    id::{TaskId, WorkerId},
    limits::LEASE,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Demand, WorkerRegistration},
    submission::{NewJob, Priority, Work},
    view::WaitingFor,
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::{
    builders::{batch, job, only},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    the_room_is_the_slots_of_live_workers_plus_the_work_dispatched_ahead,
    a_draining_worker_has_no_slots,
    higher_priorities_go_first_and_older_tasks_first_within_one,
    the_oldest_jobs_of_a_backlog_go_first,
    a_time_that_has_passed_is_at_once_and_overtakes_no_other,
    tenants_take_turns_within_a_priority,
    a_tenant_without_a_backlog_is_served_within_two_turns,
    a_returned_task_is_dispatched_again,
    only_queued_tasks_can_be_returned,
    unanswered_messages_are_found,
    the_oldest_messages_are_dispatched_again_first,
    ended_attempts_are_counted_once_each,
    demand_counts_waiting_and_running_tasks_and_slots,
    each_queue_is_dispatched_by_itself,
    racing_dispatchers_take_each_task_once,
    a_large_backlog_of_one_tenant_delays_anothers_single_job_by_less_than_two_turns,
    the_idle_worker_gets_the_next_task_while_another_is_busy_for_long,
);

fn registration(worker: WorkerId, slots: u32, draining: bool) -> WorkerRegistration {
    WorkerRegistration {
        worker,
        name: "a test".into(),
        slots: vec![(Queue::Light, slots), (Queue::Render, 0)],
        draining,
        kinds: Vec::new(),
    }
}

async fn heartbeat(on: &StoreFixture, worker: WorkerId, slots: u32, draining: bool) {
    on.store
        .heartbeat(&registration(worker, slots, draining), &[], LEASE)
        .await
        .expect("heartbeats");
}

async fn accept_many(on: &StoreFixture, count: usize) -> Vec<NewJob> {
    let jobs: Vec<_> = (0..count).map(|_| job()).collect();
    on.accept_batch(&batch(&jobs)).await;
    jobs
}

async fn the_room_is_the_slots_of_live_workers_plus_the_work_dispatched_ahead(on: StoreFixture) {
    let jobs = accept_many(&on, 10).await;
    let dispatch =
        async |ahead, most| on.store.dispatch(Queue::Light, ahead, most).await.expect("dispatches");
    let dispatched = dispatch(0, 100).await;
    assert_eq!(
        (dispatched.messages.len(), dispatched.room_left, dispatched.more),
        (0, 0, true),
        "no worker could run it"
    );
    assert_eq!(on.job(jobs[9].id).await.waiting_for, Some(WaitingFor::Worker));
    heartbeat(&on, on.worker, 3, false).await;
    assert_eq!(on.job(jobs[9].id).await.waiting_for, Some(WaitingFor::Slot));
    let dispatched = dispatch(0, 2).await;
    assert_eq!((dispatched.messages.len(), dispatched.room_left, dispatched.more), (2, 1, true));
    let claimed = on.claim(dispatched.messages[0].task, LEASE).await.expect("claims");
    assert_eq!(dispatch(0, 100).await.messages.len(), 1, "what runs takes room as what is queued");
    assert_eq!(dispatch(2, 100).await.messages.len(), 2);
    on.succeed(&claimed, json!(1)).await;
    assert_eq!(dispatch(2, 100).await.messages.len(), 1);
    let rest = dispatch(100, 100).await;
    assert_eq!((rest.messages.len(), rest.more), (4, false));
}

async fn a_draining_worker_has_no_slots(on: StoreFixture) {
    accept_many(&on, 4).await;
    let leaving = WorkerId::new();
    heartbeat(&on, on.worker, 1, false).await;
    heartbeat(&on, leaving, 2, false).await;
    heartbeat(&on, leaving, 2, true).await;
    assert_eq!(
        on.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches").messages.len(),
        1
    );
    assert_eq!(on.store.demand(Queue::Light).await.expect("reads").slots, 1);
}

async fn higher_priorities_go_first_and_older_tasks_first_within_one(on: StoreFixture) {
    let of = |priority| NewJob { priority: Priority(priority), ..job() };
    let jobs = [of(5), of(0), of(9), of(5), of(9)];
    for job in &jobs {
        on.accept(job).await;
        on.tick().await;
    }
    let first = on.store.dispatch(Queue::Light, 3, 100).await.expect("dispatches").messages;
    let rest = on.dispatch().await;
    let order: Vec<TaskId> = first.iter().chain(&rest).map(|message| message.task).collect();
    let wanted: Vec<TaskId> =
        [2, 4, 0, 3, 1].into_iter().map(|index: usize| only(&jobs[index])).collect();
    assert_eq!(order, wanted);
}

async fn the_oldest_jobs_of_a_backlog_go_first(on: StoreFixture) {
    let jobs: Vec<_> = (0..8).map(|_| job()).collect();
    for job in &jobs {
        on.accept(job).await;
        on.tick().await;
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        order.extend(
            on.store
                .dispatch(Queue::Light, 100, 2)
                .await
                .expect("dispatches")
                .messages
                .into_iter()
                .map(|message| message.task),
        );
    }
    assert_eq!(order, jobs.iter().map(only).collect::<Vec<_>>());
}

async fn a_time_that_has_passed_is_at_once_and_overtakes_no_other(on: StoreFixture) {
    let first = job();
    on.accept(&first).await;
    on.tick().await;
    let past = NewJob { run_at: Some(Timestamp::now() - 1.hour()), ..job() };
    on.accept(&past).await;
    for job in [&first, &past] {
        let dispatched = on.store.dispatch(Queue::Light, 100, 1).await.expect("dispatches");
        let tasks: Vec<_> = dispatched.messages.iter().map(|message| message.task).collect();
        assert_eq!(tasks, [only(job)]);
    }
}

async fn tenants_take_turns_within_a_priority(on: StoreFixture) {
    let mut tasks = Vec::new();
    for (name, count) in [("a", 50), ("b", 3), ("c", 1)] {
        let jobs = accept_many(&on.as_tenant(name), count).await;
        tasks.push(jobs.iter().map(only).collect::<BTreeSet<_>>());
    }
    let messages = on.store.dispatch(Queue::Light, 9, 9).await.expect("dispatches").messages;
    let taken = |tenant: usize| {
        messages.iter().filter(|message| tasks[tenant].contains(&message.task)).count()
    };
    assert_eq!([taken(0), taken(1), taken(2)], [5, 3, 1]);
}

async fn a_tenant_without_a_backlog_is_served_within_two_turns(on: StoreFixture) {
    accept_many(&on.as_tenant("a"), 100).await;
    let dispatch =
        async || on.store.dispatch(Queue::Light, 1, 1).await.expect("dispatches").messages[0].task;
    let finish = async |task| {
        let claimed = on.claim(task, LEASE).await.expect("claims");
        on.succeed(&claimed, json!(1)).await;
    };
    for _ in 0..3 {
        let task = dispatch().await;
        finish(task).await;
    }
    let small = job();
    on.as_tenant("b").accept(&small).await;
    let mut turns = Vec::new();
    for _ in 0..2 {
        let task = dispatch().await;
        finish(task).await;
        turns.push(task);
    }
    assert!(turns.contains(&only(&small)), "the single job came within two slots");
}

async fn a_returned_task_is_dispatched_again(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let messages = on.dispatch().await;
    assert_eq!(on.store.hand_back(&[messages[0].task]).await.expect("hands back"), 1);
    assert_eq!(on.state(only(&job)).await, TaskState::Ready);
    assert_eq!(on.claim(only(&job), LEASE).await, None);
    assert_eq!(on.dispatch().await, messages, "an attempt that never began changed no fence");
}

async fn the_oldest_messages_are_dispatched_again_first(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    for job in &jobs {
        on.accept(job).await;
        on.dispatch().await;
        on.tick().await;
    }
    let (messages, queued) =
        on.store.overdue(Queue::Light, Duration::ZERO, 2).await.expect("reads");
    let tasks: Vec<_> = messages.iter().map(|message| message.task).collect();
    assert_eq!((tasks, queued), (vec![only(&jobs[0]), only(&jobs[1])], 3));
}

async fn only_queued_tasks_can_be_returned(on: StoreFixture) {
    let (queued, running, ready) = (job(), job(), job());
    on.accept(&queued).await;
    on.accept(&running).await;
    on.start(only(&running)).await;
    on.accept(&ready).await;
    let all = [only(&queued), only(&running), only(&ready), TaskId::new()];
    assert_eq!(on.store.hand_back(&all).await.expect("hands back"), 1);
    assert_eq!(on.state(only(&running)).await, TaskState::Running);
}

async fn unanswered_messages_are_found(on: StoreFixture) {
    let jobs = accept_many(&on, 3).await;
    on.dispatch().await;
    on.claim(only(&jobs[0]), LEASE).await.expect("claims");
    let overdue = async |age, most| on.store.overdue(Queue::Light, age, most).await.expect("reads");
    let (messages, queued) = overdue(Duration::from_secs(3600), 10).await;
    assert_eq!((messages.len(), queued), (0, 2));
    let found = on
        .until(async || {
            let (messages, queued) = overdue(Duration::from_millis(20), 10).await;
            (messages.len() == 2).then_some((messages, queued))
        })
        .await;
    let tasks: BTreeSet<_> = found.0.iter().map(|message| message.task).collect();
    assert_eq!((tasks, found.1), (BTreeSet::from([only(&jobs[1]), only(&jobs[2])]), 2));
    assert_eq!(overdue(Duration::from_millis(20), 1).await.0.len(), 1);
}

async fn ended_attempts_are_counted_once_each(on: StoreFixture) {
    let jobs = accept_many(&on, 3).await;
    let ended = async || on.store.dispatch(Queue::Light, 0, 0).await.expect("dispatches").ended;
    let before = ended().await;
    on.run(only(&jobs[0]), json!(1)).await;
    let claimed = on.start(only(&jobs[1])).await;
    on.fail(&claimed, "x").await;
    on.fail_stale(&claimed).await;
    let claimed = on.start(only(&jobs[2])).await;
    on.store.release(on.worker, &[(claimed.task, claimed.fence)]).await.expect("releases");
    assert_eq!(ended().await - before, 3);
}

async fn demand_counts_waiting_and_running_tasks_and_slots(on: StoreFixture) {
    let demand = async || on.store.demand(Queue::Light).await.expect("reads");
    assert_eq!(demand().await, Demand::default());
    let jobs = accept_many(&on, 5).await;
    heartbeat(&on, on.worker, 2, false).await;
    on.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches");
    let queued = on.first_in(&jobs, TaskState::Queued).await;
    on.claim(queued, LEASE).await.expect("claims");
    let found = on.until(async || Some(demand().await).filter(|demand| demand.oldest_ms > 0)).await;
    assert_eq!((found.waiting, found.running, found.slots), (4, 1, 2));
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    on.accept(&NewJob { run_at: Some(later), ..job() }).await;
    assert_eq!(demand().await.waiting, 4, "what is not due wants no worker");
}

async fn each_queue_is_dispatched_by_itself(on: StoreFixture) {
    let mut render = job();
    render.tasks[0].queue = Queue::Render;
    on.accept(&render).await;
    assert!(on.store.dispatch(Queue::Light, 10, 10).await.expect("dispatches").messages.is_empty());
    let messages = on.store.dispatch(Queue::Render, 10, 10).await.expect("dispatches").messages;
    assert_eq!((messages.len(), messages[0].queue), (1, Queue::Render));
}

async fn racing_dispatchers_take_each_task_once(on: StoreFixture) {
    let jobs: Vec<_> = (0..60).map(|_| on.submission(Work::Job(job()))).collect();
    on.try_accept(jobs).await.expect("accepts");
    let racers: Vec<_> = (0..4)
        .map(|_| {
            let on = on.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for _ in 0..10 {
                    taken.extend(
                        on.store
                            .dispatch(Queue::Light, 1_000, 7)
                            .await
                            .expect("dispatches")
                            .messages,
                    );
                }
                taken
            })
        })
        .collect();
    let mut tasks = Vec::new();
    for racer in racers {
        tasks.extend(racer.await.expect("joins").into_iter().map(|message| message.task));
    }
    assert_eq!(tasks.len(), 60);
    assert_eq!(tasks.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

/// Dispatches one slot at a time until `task` is dispatched; returns the number of slots that other
/// tasks got.
async fn turns_until(on: &StoreFixture, task: TaskId) -> usize {
    for turns in 0..10 {
        let messages = on.store.dispatch(Queue::Light, 1, 1).await.expect("dispatches").messages;
        let claimed = on.claim(messages[0].task, LEASE).await.expect("claims");
        on.succeed(&claimed, json!(1)).await;
        if claimed.task == task {
            return turns;
        }
    }
    panic!("ten turns went to others");
}

async fn a_large_backlog_of_one_tenant_delays_anothers_single_job_by_less_than_two_turns(
    on: StoreFixture,
) {
    let large = on.as_tenant("m");
    for _ in 0..2 {
        accept_many(&large, 10_000).await;
    }
    // From both ends of the alphabet, so that neither is favoured.
    for name in ["a", "z", "a", "z", "z", "a", "b"] {
        let single = job();
        on.as_tenant(name).accept(&single).await;
        let turns = turns_until(&on, only(&single)).await;
        assert!(turns < 2, "{turns} turns went to the others before {name}'s");
    }
}

async fn the_idle_worker_gets_the_next_task_while_another_is_busy_for_long(on: StoreFixture) {
    let idle = WorkerId::new();
    heartbeat(&on, on.worker, 2, false).await;
    let long = accept_many(&on, 2).await;
    for message in on.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches").messages {
        on.claim(message.task, LEASE).await.expect("claims");
    }
    let next = accept_many(&on, 3).await;
    let dispatched = on.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches");
    assert_eq!(
        (dispatched.messages.len(), dispatched.more),
        (0, true),
        "no task is dispatched that no worker could run"
    );
    heartbeat(&on, idle, 1, false).await;
    let messages = on.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches").messages;
    assert_eq!(
        messages.len(),
        1,
        "one slot is free in the fleet, and one message is dispatched for it"
    );
    let claimed = on.store.claim(idle, &[messages[0].task], LEASE).await.expect("claims").remove(0);
    assert!(claimed.is_some_and(|claimed| next.iter().any(|job| only(job) == claimed.task)));
    for job in &long {
        assert_eq!(on.state(only(job)).await, TaskState::Running);
    }
}
