//! Views: progress, reasons for waiting, ranks, lists, and removal.

use std::time::Duration;

use common::{
    id::JobId,
    limits::LEASE,
    outcome::Verdict,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Heartbeat, JobFilter, Retention, Target, WorkerRegistration},
    submission::{NewBatch, NewJob, Work},
    view::{Progress, WaitingFor},
};
use serde_json::json;

use super::{
    builders::{batch, equal, job, only, plan, step, task},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    the_progress_of_a_job_is_that_of_its_tasks,
    a_job_reports_what_it_waits_for,
    a_jobs_rank_grows_with_every_change_of_it,
    times_are_in_order,
    tasks_are_counted_by_kind_in_a_job_of_many,
    every_write_reports_the_views_it_changed,
    lists_are_newest_first_and_paged_by_cursor,
    lists_follow_their_filter,
    a_task_view_lists_its_attempts,
    retention_removes_old_work_and_keeps_the_rest,
    the_work_of_a_forgotten_memo_runs_again,
    a_healthy_store_passes_its_check,
);

async fn progress_of(on: &StoreFixture, claimed: &common::store::Claimed, value: f64) {
    let registration = on.registration();
    let progress = Some(Progress { value, stage: Some("frames".into()) });
    let heartbeat = Heartbeat { task: claimed.task, fence: claimed.fence, progress };
    on.store.heartbeat(&registration, &[heartbeat], LEASE).await.expect("heartbeats");
}

async fn the_progress_of_a_job_is_that_of_its_tasks(on: StoreFixture) {
    let job = plan(&[
        step("a").kind("probe"),
        step("b").kind("segment"),
        step("c").kind("segment"),
        step("end").after("a").after("b").after("c").result(),
    ]);
    on.accept(&job).await;
    assert_eq!(on.job(job.id).await.progress, None);
    on.run(task(&job, "a"), json!(1)).await;
    let b = on.start(task(&job, "b")).await;
    let c = on.start(task(&job, "c")).await;
    progress_of(&on, &b, 0.5).await;
    progress_of(&on, &c, 0.25).await;
    let progress = on.job(job.id).await.progress.expect("it runs");
    assert!((progress.value - 1.75 / 4.0).abs() < 1e-9, "{progress:?}");
    assert_eq!(progress.stage.as_deref(), Some("segment"));
}

async fn a_job_reports_what_it_waits_for(on: StoreFixture) {
    let (leader, waiter) = (equal(json!(1)), equal(json!(1)));
    on.accept(&leader).await;
    on.accept(&waiter).await;
    assert_eq!(on.job(leader.id).await.waiting_for, Some(WaitingFor::Worker));
    assert_eq!(on.job(waiter.id).await.waiting_for, Some(WaitingFor::Needs));
    let claimed = on.start(only(&leader)).await;
    let view = on.job(leader.id).await;
    assert_eq!((view.status, view.waiting_for), (JobStatus::Running, None));
    on.succeed(&claimed, json!(1)).await;
    assert_eq!(on.job(waiter.id).await.waiting_for, None);
    let registration = WorkerRegistration { slots: vec![(Queue::Light, 1)], ..on.registration() };
    on.store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
    let queued = job();
    on.accept(&queued).await;
    on.dispatch().await;
    assert_eq!(on.job(queued.id).await.waiting_for, Some(WaitingFor::Slot));
}

async fn a_jobs_rank_grows_with_every_change_of_it(on: StoreFixture) {
    let job = plan(&[step("a"), step("end").after("a").result()]);
    let accepted = on.accept(&job).await.changes.views[0].rank;
    on.run(task(&job, "a"), json!(1)).await;
    let halfway = on.job(job.id).await.rank;
    assert!(halfway > accepted);
    on.run_badly(task(&job, "end"), "x").await;
    let failed = on.job(job.id).await.rank;
    assert!(failed > halfway);
    on.retry(Target::Job(job.id)).await;
    let again = on.job(job.id).await.rank;
    assert!(again > failed);
    on.cancel(Target::Job(job.id)).await;
    let cancelled = on.job(job.id).await.rank;
    assert!(cancelled > again);
    assert_eq!((cancelled.fence, cancelled.sequence), (0, 0), "a view of the store");
}

async fn times_are_in_order(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    assert_eq!(on.job(job.id).await.started_at, None);
    on.run(only(&job), json!(1)).await;
    let view = on.job(job.id).await;
    let (started, finished) =
        (view.started_at.expect("started"), view.finished_at.expect("finished"));
    assert!(view.created_at <= started && started <= finished);
    let task = on.task(only(&job)).await;
    assert_eq!(task.finished_at, Some(finished));
    assert_eq!(task.worker, Some(on.worker));
}

async fn tasks_are_counted_by_kind_in_a_job_of_many(on: StoreFixture) {
    let job = plan(&[
        step("a").kind("probe"),
        step("b").kind("segment"),
        step("end").after("a").result(),
    ]);
    on.accept(&job).await;
    on.run(task(&job, "b"), json!(1)).await;
    let counts = on.job(job.id).await.tasks;
    let of = |kind: &str| (counts[kind].total, counts[kind].settled, counts[kind].cached);
    assert_eq!((of("probe"), of("segment"), of("echo")), ((1, 0, 0), (1, 1, 0), (1, 0, 0)));
}

async fn every_write_reports_the_views_it_changed(on: StoreFixture) {
    let jobs = [job(), job()];
    on.accept_batch(&NewBatch { stop_on_error: true, ..batch(&jobs) }).await;
    let claimed = on.start(only(&jobs[0])).await;
    let changes = on.fail(&claimed, "x").await;
    let mut changed: Vec<JobId> = changes.views.iter().map(|view| view.id).collect();
    changed.sort_unstable();
    let mut wanted = [jobs[0].id, jobs[1].id];
    wanted.sort_unstable();
    assert_eq!(changed, wanted, "the failed one, and the one that its failure stopped");
    for view in &changes.views {
        assert_eq!(*view, on.job(view.id).await);
    }
    let (_, stale) = on.settle(&claimed, Verdict::Cancelled).await;
    assert_eq!(stale, Default::default());
}

async fn lists_are_newest_first_and_paged_by_cursor(on: StoreFixture) {
    let jobs: Vec<_> = (0..7).map(|_| job()).collect();
    for job in &jobs {
        on.accept(job).await;
    }
    on.as_tenant("other").accept(&job()).await;
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = on.store.list(&on.tenant, &JobFilter::default(), after, 3).await.expect("lists");
        assert!(page.items.len() <= 3);
        seen.extend(page.items.into_iter().map(|view| view.id));
        pages += 1;
        match page.next {
            Some(cursor) => after = Some(cursor.parse().expect("a cursor is the last job's id")),
            None => break,
        }
    }
    let mut wanted: Vec<_> = jobs.iter().map(|job| job.id).collect();
    wanted.reverse();
    assert_eq!((seen, pages), (wanted, 3));
}

async fn lists_follow_their_filter(on: StoreFixture) {
    let tagged = |tag: &str, kind: &str| NewJob {
        tags: vec![tag.into(), "all".into()],
        kind: kind.into(),
        ..job()
    };
    let jobs = [tagged("red", "echo"), tagged("blue", "render"), tagged("red", "render"), job()];
    for job in &jobs {
        on.accept(job).await;
    }
    on.run(only(&jobs[0]), json!(1)).await;
    on.start(only(&jobs[1])).await;
    let list = async |status: Option<JobStatus>, kind: Option<&str>, tag: Option<&str>| {
        let filter = JobFilter { status, kind: kind.map(Into::into), tag: tag.map(Into::into) };
        let page = on.store.list(&on.tenant, &filter, None, 10).await.expect("lists");
        let index = |id| jobs.iter().position(|job| job.id == id).expect("one of these jobs");
        page.items.into_iter().map(|view| index(view.id)).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, None).await, [3, 2, 1, 0]);
    assert_eq!(list(Some(JobStatus::Succeeded), None, None).await, [0]);
    assert_eq!(list(Some(JobStatus::Running), None, None).await, [1]);
    assert_eq!(list(Some(JobStatus::Queued), None, None).await, [3, 2]);
    assert_eq!(list(None, Some("render"), None).await, [2, 1]);
    assert_eq!(list(None, None, Some("red")).await, [2, 0]);
    assert_eq!(list(None, Some("render"), Some("red")).await, [2]);
    assert_eq!(list(Some(JobStatus::Queued), Some("render"), Some("all")).await, [2]);
    assert_eq!(list(Some(JobStatus::Failed), None, Some("red")).await, [0_usize; 0]);
    on.run_badly(only(&jobs[2]), "x").await;
    on.cancel(Target::Job(jobs[3].id)).await;
    assert_eq!(list(Some(JobStatus::Failed), None, None).await, [2]);
    assert_eq!(list(Some(JobStatus::Cancelled), None, None).await, [3]);
}

async fn a_task_view_lists_its_attempts(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    let view = on.task(only(&job)).await;
    assert_eq!((view.state, view.attempts, view.fence), (TaskState::Running, 1, claimed.fence));
    assert_eq!((view.worker, view.queue, view.job), (Some(on.worker), Queue::Light, job.id));
    assert!(view.started_at.is_some() && view.finished_at.is_none());
}

const EVERYTHING: Retention = Retention { jobs: Duration::ZERO, memos: Duration::ZERO, most: 100 };
const NOTHING_YET: Retention =
    Retention { jobs: Duration::from_secs(3600), memos: Duration::from_secs(3600), most: 100 };

async fn retention_removes_old_work_and_keeps_the_rest(on: StoreFixture) {
    let tagged =
        NewJob { tags: vec!["t".into()], ..plan(&[step("a"), step("end").after("a").result()]) };
    let (open, items) = (job(), batch(&[job(), job()]));
    on.accept(&tagged).await;
    on.accept(&open).await;
    on.accept_batch(&items).await;
    on.cancel(Target::Job(tagged.id)).await;
    let member = match &items.items[0] {
        common::submission::NewItem::Job(job) => job.clone(),
        common::submission::NewItem::Refused(_) => unreachable!("a batch of jobs"),
    };
    on.run(only(&member), json!(1)).await;
    assert_eq!(on.store.retain(NOTHING_YET).await.expect("retains"), 0);
    on.until(async || {
        on.store.retain(EVERYTHING).await.expect("retains");
        on.try_job(tagged.id).await.is_none().then_some(())
    })
    .await;
    assert_eq!(on.store.tasks(&on.tenant, tagged.id).await.expect("reads"), None);
    let filter = JobFilter { tag: Some("t".into()), ..JobFilter::default() };
    assert!(on.store.list(&on.tenant, &filter, None, 9).await.expect("lists").items.is_empty());
    assert!(on.try_job(open.id).await.is_some());
    assert!(on.try_job(member.id).await.is_some(), "a batch's results stay whole while it runs");
    on.cancel(Target::Batch(items.id)).await;
    on.until(async || {
        on.store.retain(EVERYTHING).await.expect("retains");
        on.store.batch(&on.tenant, items.id).await.expect("reads").is_none().then_some(())
    })
    .await;
    assert!(on.try_job(member.id).await.is_none());
    on.run(only(&open), json!(1)).await;
    assert_eq!(on.job(open.id).await.status, JobStatus::Succeeded);
}

async fn the_work_of_a_forgotten_memo_runs_again(on: StoreFixture) {
    let (first, second) = (equal(json!(1)), equal(json!(1)));
    on.accept(&first).await;
    on.run(only(&first), json!("old")).await;
    on.tick().await;
    on.until(async || (on.store.retain(EVERYTHING).await.expect("retains") == 0).then_some(()))
        .await;
    let again =
        on.try_accept(vec![on.submission(Work::Job(second.clone()))]).await.expect("accepts");
    assert_eq!(again.changes.readied, [Queue::Light]);
    on.run(only(&second), json!("new")).await;
    assert_eq!(on.job(second.id).await.result, Some(json!("new")));
}

async fn a_healthy_store_passes_its_check(on: StoreFixture) {
    on.store.check().await.expect("in order");
}
