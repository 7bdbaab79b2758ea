//! Limits of tenants, kinds and providers: counted over queued and running tasks, kept by every
//! path to `queued`, and without effect on other tasks.

use std::collections::BTreeSet;

use common::{
    id::TaskId,
    limits::LEASE,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Credit, EACH_TENANT, Limit, LimitScope},
    submission::{NewJob, Work},
    view::WaitingFor,
};
use serde_json::json;

use super::{
    builders::{batch, job, only},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_limit_holds_until_a_task_ends_and_the_waiting_job_reports_it,
    the_default_limit_applies_to_tenants_without_their_own,
    a_provider_limit_covers_all_kinds_that_use_it,
    several_limits_hold_together,
    a_limit_counts_over_all_queues,
    a_submission_with_credit_keeps_to_limits,
    racing_dispatchers_keep_to_a_limit,
    tasks_held_back_by_a_limit_delay_no_others,
    limits_are_listed_replaced_and_removed,
);

fn limit(scope: LimitScope, name: &str, most: u32, kinds: &[&str]) -> Limit {
    Limit {
        scope,
        name: name.into(),
        most,
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    }
}

async fn set(on: &StoreFixture, scope: LimitScope, name: &str, most: u32, kinds: &[&str]) {
    on.store.set_limit(&limit(scope, name, most, kinds)).await.expect("sets");
}

fn of_kind(kind: &str) -> NewJob {
    let mut job = job();
    job.kind = kind.into();
    job.tasks[0].kind = kind.into();
    job
}

fn of_queue(queue: Queue) -> NewJob {
    let mut job = job();
    job.tasks[0].queue = queue;
    job
}

async fn accept_all(on: &StoreFixture, jobs: &[NewJob]) {
    for some in jobs.chunks(5_000) {
        on.accept_batch(&batch(some)).await;
    }
}

async fn taken(on: &StoreFixture, jobs: &[NewJob]) -> usize {
    let mut taken = 0;
    for job in jobs {
        taken += usize::from(
            [TaskState::Queued, TaskState::Running].contains(&on.state(only(job)).await),
        );
    }
    taken
}

async fn a_limit_holds_until_a_task_ends_and_the_waiting_job_reports_it(on: StoreFixture) {
    for (scope, name, waits_for) in [
        (LimitScope::Tenant, on.tenant.0.clone(), WaitingFor::TenantLimit),
        (LimitScope::Kind, "echo".to_owned(), WaitingFor::KindLimit),
        (LimitScope::Provider, "text".to_owned(), WaitingFor::ProviderLimit),
    ] {
        let jobs: Vec<_> = (0..5).map(|_| of_kind("echo")).collect();
        set(&on, scope, &name, 2, if scope == LimitScope::Tenant { &[] } else { &["echo"] }).await;
        accept_all(&on, &jobs).await;
        let messages = on.dispatch().await;
        assert_eq!(messages.len(), 2, "{scope:?}");
        let held = on.first_in(&jobs, TaskState::Ready).await;
        let held = jobs.iter().find(|job| only(job) == held).expect("one of them");
        assert_eq!(on.job(held.id).await.waiting_for, Some(waits_for));
        let running = on.claim(messages[0].task, LEASE).await.expect("claims");
        assert!(on.dispatch().await.is_empty(), "what runs counts as what is queued");
        on.succeed(&running, json!(1)).await;
        assert_eq!(on.dispatch().await.len(), 1, "an end makes room for one");
        on.store.unset_limit(scope, &name).await.expect("unsets");
        assert_eq!(on.dispatch().await.len(), 2, "without the limit the rest goes");
        for job in &jobs {
            if let Some(claimed) = on.claim(only(job), LEASE).await {
                on.succeed(&claimed, json!(1)).await;
            }
        }
    }
}

async fn the_default_limit_applies_to_tenants_without_their_own(on: StoreFixture) {
    set(&on, LimitScope::Tenant, EACH_TENANT, 1, &[]).await;
    set(&on, LimitScope::Tenant, "large", 3, &[]).await;
    let mut all = Vec::new();
    for name in ["a", "b", "large"] {
        let jobs: Vec<_> = (0..5).map(|_| job()).collect();
        accept_all(&on.as_tenant(name), &jobs).await;
        all.push((on.as_tenant(name), jobs));
    }
    on.dispatch().await;
    for ((tenant, jobs), wanted) in all.iter().zip([1, 1, 3]) {
        assert_eq!(taken(tenant, jobs).await, wanted, "{:?}", tenant.tenant);
    }
}

async fn a_provider_limit_covers_all_kinds_that_use_it(on: StoreFixture) {
    set(&on, LimitScope::Provider, "text", 3, &["script", "ideas"]).await;
    let jobs: Vec<_> = ["script", "ideas", "image", "script", "ideas", "image"].map(of_kind).into();
    accept_all(&on, &jobs).await;
    assert_eq!(on.dispatch().await.len(), 5, "three that ask for text, and both that do not");
    assert_eq!(taken(&on, &[jobs[2].clone(), jobs[5].clone()]).await, 2);
}

async fn several_limits_hold_together(on: StoreFixture) {
    set(&on, LimitScope::Kind, "script", 2, &["script"]).await;
    set(&on, LimitScope::Tenant, "a", 3, &[]).await;
    let (a, b) = (on.as_tenant("a"), on.as_tenant("b"));
    let jobs = |kind: &str| -> Vec<NewJob> { (0..4).map(|_| of_kind(kind)).collect() };
    let (a_scripts, a_others, b_scripts) = (jobs("script"), jobs("echo"), jobs("script"));
    accept_all(&a, &a_scripts).await;
    accept_all(&a, &a_others).await;
    accept_all(&b, &b_scripts).await;
    on.dispatch().await;
    let (a_s, a_o, b_s) =
        (taken(&a, &a_scripts).await, taken(&a, &a_others).await, taken(&b, &b_scripts).await);
    assert_eq!(a_s + b_s, 2, "no more scripts than may be");
    assert_eq!(a_s + a_o, 3, "and all of what the tenant may have, since its other kind is free");
}

async fn a_limit_counts_over_all_queues(on: StoreFixture) {
    set(&on, LimitScope::Tenant, &on.tenant.0, 2, &[]).await;
    let jobs = [
        of_queue(Queue::Light),
        of_queue(Queue::Render),
        of_queue(Queue::Generate),
        of_queue(Queue::Render),
    ];
    accept_all(&on, &jobs).await;
    assert_eq!(on.dispatch().await.len(), 2);
    assert!(on.dispatch().await.is_empty());
    for taken in [Queue::Generate, Queue::Render, Queue::Light] {
        let other = on.as_tenant(taken.as_str());
        set(&other, LimitScope::Tenant, taken.as_str(), 1, &[]).await;
        accept_all(&other, &[of_queue(taken)]).await;
        assert_eq!(other.dispatch().await.len(), 1);
        accept_all(&other, &Queue::ALL.map(of_queue)).await;
        assert!(other.dispatch().await.is_empty(), "what is taken of {taken} counts");
    }
}

async fn a_submission_with_credit_keeps_to_limits(on: StoreFixture) {
    let credit = [Credit { queue: Queue::Light, tasks: 100 }];
    let accept = async |jobs: &[NewJob]| {
        let submissions = jobs.iter().map(|job| on.submission(Work::Job(job.clone()))).collect();
        on.store.accept(submissions, &credit).await.expect("accepts").messages.len()
    };
    let jobs: Vec<_> = (0..3).map(|_| job()).collect();
    assert_eq!(accept(&jobs).await, 3, "credit is spent where nothing is limited");
    set(&on, LimitScope::Tenant, &on.tenant.0, 4, &[]).await;
    let more: Vec<_> = (0..3).map(|_| job()).collect();
    assert_eq!(accept(&more).await, 0);
    assert_eq!(on.dispatch().await.len(), 1, "three were there, four may be");
}

async fn racing_dispatchers_keep_to_a_limit(on: StoreFixture) {
    set(&on, LimitScope::Kind, "echo", 7, &["echo"]).await;
    let jobs: Vec<_> = (0..60).map(|at| of_queue(Queue::ALL[at % 3])).collect();
    accept_all(&on, &jobs).await;
    let racers: Vec<_> = (0..6)
        .map(|at| {
            let on = on.clone();
            tokio::spawn(async move {
                let mut dispatched = 0;
                for _ in 0..10 {
                    dispatched += on
                        .store
                        .dispatch(Queue::ALL[at % 3], 1_000, 5)
                        .await
                        .expect("dispatches")
                        .messages
                        .len();
                }
                dispatched
            })
        })
        .collect();
    let mut dispatched = 0;
    for racer in racers {
        dispatched += racer.await.expect("joins");
    }
    assert_eq!(dispatched, 7, "as many as may be, and no more");
}

async fn tasks_held_back_by_a_limit_delay_no_others(on: StoreFixture) {
    set(&on, LimitScope::Kind, "held", 1, &["held"]).await;
    let held: Vec<_> = (0..2_000).map(|_| of_kind("held")).collect();
    accept_all(&on, &held).await;
    on.tick().await;
    let (mine, other) = (of_kind("echo"), of_kind("echo"));
    on.accept(&mine).await;
    on.as_tenant("z").accept(&other).await;
    let mut dispatched = BTreeSet::<TaskId>::new();
    for _ in 0..3 {
        dispatched.extend(
            on.store
                .dispatch(Queue::Light, 1_000, 1)
                .await
                .expect("dispatches")
                .messages
                .into_iter()
                .map(|message| message.task),
        );
    }
    assert!(dispatched.contains(&only(&mine)), "not in the way of the same tenant's other kind");
    assert!(dispatched.contains(&only(&other)), "nor of another tenant");
    let last = on.store.dispatch(Queue::Light, 1_000, 1).await.expect("dispatches");
    assert_eq!(
        (last.messages.len(), last.more),
        (0, false),
        "what a limit holds back does not wait for room"
    );
}

async fn limits_are_listed_replaced_and_removed(on: StoreFixture) {
    assert_eq!(on.store.limits().await.expect("reads"), []);
    set(&on, LimitScope::Provider, "text", 3, &["script", "ideas"]).await;
    set(&on, LimitScope::Tenant, EACH_TENANT, 9, &[]).await;
    set(&on, LimitScope::Provider, "text", 0, &["script"]).await;
    let wanted = [
        limit(LimitScope::Provider, "text", 0, &["script"]),
        limit(LimitScope::Tenant, EACH_TENANT, 9, &[]),
    ];
    assert_eq!(on.store.limits().await.expect("reads"), wanted);
    assert!(on.store.unset_limit(LimitScope::Provider, "text").await.expect("unsets"));
    assert!(!on.store.unset_limit(LimitScope::Provider, "text").await.expect("unsets"));
    assert_eq!(on.store.limits().await.expect("reads").len(), 1);
}
