//! Dead work: listed with its whole chain of errors, until it is retried.

use std::time::Duration;

use common::{
    error::{ErrorClass, JobError},
    id::TaskId,
    outcome::Verdict,
    rules::lifecycle::{JobStatus, TaskState},
    store::{DeadFilter, SweepPolicy, Target},
    submission::NewJob,
    view::TaskView,
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    builders::{job, only, plan, step, task},
    each_store,
    fixture::{SHORT, StoreFixture},
};

each_store!(
    a_failed_task_is_listed_with_every_attempt_that_failed,
    dead_work_is_found_by_kind_class_code_and_time,
    pages_of_dead_work_hold_each_task_once,
    tasks_that_were_retried_or_did_not_fail_their_job_are_not_dead,
    poison_is_dead_work_with_the_worker_that_died_last,
);

async fn dead(on: &StoreFixture, filter: &DeadFilter) -> Vec<TaskView> {
    on.store.dead(&on.tenant, filter, None, 100).await.expect("lists").items
}

async fn found(on: &StoreFixture, filter: DeadFilter) -> Vec<TaskId> {
    dead(on, &filter).await.into_iter().map(|task| task.id).collect()
}

async fn failed(on: &StoreFixture, job: &NewJob, error: JobError) {
    on.accept(job).await;
    let claimed = on.start(only(job)).await;
    on.count(&claimed, Verdict::Failed(error)).await;
}

async fn a_failed_task_is_listed_with_every_attempt_that_failed(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let first = on.start(only(&job)).await;
    let busy = JobError::transient("busy", "come back").with_log("a line");
    on.count(&first, Verdict::Retry { error: busy.clone(), pause: Duration::ZERO }).await;
    let waiting = on.task(only(&job)).await;
    assert_eq!(
        (waiting.state, waiting.errors.len()),
        (TaskState::Ready, 1),
        "the chain shows before the end"
    );
    assert_eq!(dead(&on, &DeadFilter::default()).await, []);
    let second = on.start(only(&job)).await;
    let broken = JobError::permanent("broken", "for good");
    on.count(&second, Verdict::Failed(broken.clone())).await;
    let listed = dead(&on, &DeadFilter::default()).await;
    assert_eq!(listed, [on.task(only(&job)).await]);
    let chain = &listed[0].errors;
    assert_eq!(chain.iter().map(|failure| failure.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        chain.iter().map(|failure| failure.error.clone()).collect::<Vec<_>>(),
        [busy, broken.clone()]
    );
    assert!(chain.iter().all(|failure| failure.worker == Some(on.worker)));
    assert!(chain.is_sorted_by_key(|failure| failure.at));
    assert_eq!(listed[0].error, Some(broken));
    assert_eq!(dead(&on.as_tenant("other"), &DeadFilter::default()).await, []);
}

async fn dead_work_is_found_by_kind_class_code_and_time(on: StoreFixture) {
    let (one, other) = (job(), plan(&[step("only").kind("probe").result()]));
    failed(&on, &one, JobError::permanent("broken", "x")).await;
    on.tick().await;
    let between =
        on.task(only(&one)).await.finished_at.expect("it failed") + Duration::from_millis(1);
    on.tick().await;
    failed(&on, &other, JobError::caller("bad_source", "y")).await;
    let (one, other) = (only(&one), only(&other));
    let all = DeadFilter::default;
    let cases = [
        (all(), vec![other, one]),
        (DeadFilter { kind: Some("probe".into()), ..all() }, vec![other]),
        (DeadFilter { kind: Some("prob".into()), ..all() }, vec![]),
        (DeadFilter { class: Some(ErrorClass::Permanent), ..all() }, vec![one]),
        (DeadFilter { class: Some(ErrorClass::Bug), ..all() }, vec![]),
        (DeadFilter { code: Some("bad_source".into()), ..all() }, vec![other]),
        (
            DeadFilter { code: Some("bad_source".into()), kind: Some("echo".into()), ..all() },
            vec![],
        ),
        (DeadFilter { since: Some(between), ..all() }, vec![other]),
        (DeadFilter { until: Some(between), ..all() }, vec![one]),
        (DeadFilter { since: Some(between), until: Some(between), ..all() }, vec![]),
        (DeadFilter { since: Some(Timestamp::UNIX_EPOCH), ..all() }, vec![other, one]),
    ];
    for (filter, mut wanted) in cases {
        let mut got = found(&on, filter.clone()).await;
        // Ids of one millisecond have no order.
        got.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(got, wanted, "{filter:?}");
    }
}

async fn pages_of_dead_work_hold_each_task_once(on: StoreFixture) {
    let mut wanted = Vec::new();
    for number in 0..7 {
        let job = job();
        failed(&on, &job, JobError::permanent(if number == 3 { "other" } else { "broken" }, "x"))
            .await;
        wanted.push((only(&job), number));
    }
    wanted.retain(|(_, number)| *number != 3);
    let mut wanted: Vec<TaskId> = wanted.into_iter().map(|(task, _)| task).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    let filter = DeadFilter { code: Some("broken".into()), ..DeadFilter::default() };
    let (mut got, mut after) = (Vec::new(), None);
    for _ in 0..3 {
        let page = on.store.dead(&on.tenant, &filter, after, 2).await.expect("lists");
        got.extend(page.items.iter().map(|task| task.id));
        after = page.next.map(|next| next.parse().expect("a cursor"));
    }
    assert_eq!((got, after), (wanted, None));
}

async fn tasks_that_were_retried_or_did_not_fail_their_job_are_not_dead(on: StoreFixture) {
    let tolerant = plan(&[step("side"), step("end").despite("side").result()]);
    on.accept(&tolerant).await;
    on.run_badly(task(&tolerant, "side"), "x").await;
    on.run(task(&tolerant, "end"), json!(1)).await;
    assert_eq!(on.job(tolerant.id).await.status, JobStatus::Succeeded);
    assert_eq!(found(&on, DeadFilter::default()).await, []);
    let job = plan(&[step("need"), step("end").after("need").result()]);
    on.accept(&job).await;
    on.run_badly(task(&job, "need"), "x").await;
    assert_eq!(
        found(&on, DeadFilter::default()).await,
        [task(&job, "need")],
        "what it dragged along is not listed"
    );
    on.retry(Target::Job(job.id)).await;
    assert_eq!(found(&on, DeadFilter::default()).await, []);
    let again = on
        .store
        .tasks(&on.tenant, job.id)
        .await
        .expect("reads")
        .expect("the job is there")
        .remove(0)
        .id;
    on.run_badly(again, "x").await;
    assert_eq!(found(&on, DeadFilter::default()).await, [again]);
}

async fn poison_is_dead_work_with_the_worker_that_died_last(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    on.start_for(only(&job), SHORT).await;
    on.sweep_until_lost(SweepPolicy { quarantine_after: 1, most: 100 }).await;
    let listed =
        dead(&on, &DeadFilter { code: Some("poison".into()), ..DeadFilter::default() }).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].errors.last().map(|failure| failure.worker), Some(Some(on.worker)));
}
