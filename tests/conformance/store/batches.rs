//! Batches: many jobs settled item by item.

use common::{
    error::{JobError, code},
    id::TenantId,
    outcome::Verdict,
    rules::lifecycle::{JobStatus, TaskState},
    store::Target,
    submission::{NewBatch, NewItem},
    view::{ItemView, WaitingFor},
};
use serde_json::json;

use super::{
    builders::{batch, batch_of, job, only, plan, step, succeeded, task},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_batch_counts_each_item_once_and_is_settled_with_its_last,
    one_failed_item_takes_no_other_with_it,
    the_first_failure_cancels_the_rest_where_the_batch_says_so,
    a_refused_item_stops_nothing,
    no_more_of_a_batch_run_at_once_than_it_allows,
    a_limited_batch_does_not_delay_other_work,
    items_are_paged_by_their_position,
    batches_are_listed_from_the_newest_for_their_tenant_alone,
    an_item_of_many_tasks_is_one_item,
    a_batch_settled_in_one_call_is_counted_correctly,
    a_plan_that_fails_stops_the_batch_too,
    a_batch_whose_items_never_ran_is_cancelled_as_a_whole,
    a_stopped_batch_that_is_retried_runs_on_under_its_limit,
);

async fn a_batch_counts_each_item_once_and_is_settled_with_its_last(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    on.run(only(&jobs[0]), json!(0)).await;
    on.run_badly(only(&jobs[1]), "x").await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.pending(), view.settled_at), (1, 1, 1, None));
    on.cancel(Target::Job(jobs[2].id)).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.pending()), (1, 2, 0));
    assert!(view.settled_at.is_some_and(|at| at >= view.created_at));
}

async fn one_failed_item_takes_no_other_with_it(on: StoreFixture) {
    let jobs = [job(), job()];
    on.accept_batch(&batch(&jobs)).await;
    on.run_badly(only(&jobs[0]), "x").await;
    on.run(only(&jobs[1]), json!("well")).await;
    assert_eq!(on.job(jobs[1].id).await.result, Some(json!("well")));
}

async fn the_first_failure_cancels_the_rest_where_the_batch_says_so(on: StoreFixture) {
    let jobs = [job(), job(), job(), job()];
    let items = NewBatch { stop_on_error: true, ..batch(&jobs) };
    on.accept_batch(&items).await;
    on.run(only(&jobs[0]), json!(0)).await;
    let busy = on.start(only(&jobs[1])).await;
    let changes = on.run_badly(only(&jobs[2]), "x").await;
    assert_eq!(changes.stopping, [busy.task]);
    assert_eq!(on.job(jobs[3].id).await.status, JobStatus::Cancelled);
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.pending()), (1, 2, 1));
    on.count(&busy, Verdict::Cancelled).await;
    let statuses = [on.job(jobs[1].id).await.status, on.job(jobs[2].id).await.status];
    assert_eq!(statuses, [JobStatus::Cancelled, JobStatus::Failed]);
    assert!(on.batch(&items).await.settled_at.is_some());
}

async fn a_refused_item_stops_nothing(on: StoreFixture) {
    let good = job();
    let refused = NewItem::Refused(JobError::caller(code::INVALID_INPUT, "no"));
    let items =
        NewBatch { stop_on_error: true, ..batch_of(vec![refused, NewItem::Job(good.clone())]) };
    on.accept_batch(&items).await;
    on.run(only(&good), json!(1)).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected), (1, 1));
}

async fn no_more_of_a_batch_run_at_once_than_it_allows(on: StoreFixture) {
    let jobs: Vec<_> = (0..5).map(|_| job()).collect();
    let items = NewBatch { max_concurrent: Some(2), ..batch(&jobs) };
    on.accept_batch(&items).await;
    assert_eq!(on.dispatch().await.len(), 2);
    let held_back = on.first_in(&jobs, TaskState::Ready).await;
    let job = on.task(held_back).await.job;
    assert_eq!(on.job(job).await.waiting_for, Some(WaitingFor::BatchLimit));
    for settled in 1..=5 {
        assert!(on.dispatch().await.is_empty(), "the limit is full, or nothing is left");
        let queued = on.first_in(&jobs, TaskState::Queued).await;
        let claimed = on.claim(queued, common::limits::LEASE).await.expect("claims");
        assert!(on.dispatch().await.is_empty(), "what runs counts as what is queued");
        on.succeed(&claimed, json!(1)).await;
        assert_eq!(on.dispatch().await.len(), usize::from(settled <= 3));
    }
    assert_eq!(on.batch(&items).await.fulfilled, 5);
}

async fn a_limited_batch_does_not_delay_other_work(on: StoreFixture) {
    let jobs: Vec<_> = (0..20).map(|_| job()).collect();
    on.accept_batch(&NewBatch { max_concurrent: Some(1), ..batch(&jobs) }).await;
    let free = job();
    on.accept(&free).await;
    let dispatched =
        on.store.dispatch(common::queue::Queue::Light, 5, 5).await.expect("dispatches");
    assert_eq!(dispatched.messages.len(), 2);
    assert!(dispatched.messages.iter().any(|message| message.task == only(&free)));
    assert_eq!(
        (dispatched.more, dispatched.room_left),
        (false, 3),
        "what a limit holds back is not left for want of room"
    );
}

async fn items_are_paged_by_their_position(on: StoreFixture) {
    let jobs: Vec<_> = (0..7).map(|_| job()).collect();
    let mut entries: Vec<NewItem> = jobs.iter().cloned().map(NewItem::Job).collect();
    entries.insert(3, NewItem::Refused(JobError::caller(code::UNKNOWN_KIND, "no such kind")));
    let items = batch_of(entries);
    on.accept_batch(&items).await;
    on.run_badly(only(&jobs[0]), "x").await;
    let page = async |from, most| {
        on.store.items(&on.tenant, items.id, from, most).await.expect("reads").expect("there")
    };
    let mut seen = Vec::new();
    for from in [0, 3, 6] {
        seen.extend(page(from, 3).await);
    }
    assert_eq!(
        seen.iter().map(|(place, _)| *place).collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    assert!(matches!(&seen[3].1, ItemView::Refused(error) if error.code == code::UNKNOWN_KIND));
    let ItemView::Job(failed) = &seen[0].1 else { panic!("{:?}", seen[0].1) };
    assert_eq!(failed.error.as_ref().map(|error| error.code.as_str()), Some("x"));
    assert!(matches!(&seen[4].1, ItemView::Job(view) if view.id == jobs[3].id));
    assert_eq!(page(8, 3).await, []);
}

async fn batches_are_listed_from_the_newest_for_their_tenant_alone(on: StoreFixture) {
    let mut made = Vec::new();
    for _ in 0..5 {
        let items = batch(&[job(), job()]);
        on.accept_batch(&items).await;
        made.insert(0, items);
    }
    on.store.cancel(&on.tenant, Target::Batch(made[1].id)).await.expect("cancels");
    let page = async |after, most| on.store.batches(&on.tenant, after, most).await.expect("reads");
    let first = page(None, 3).await;
    let second = page(Some(made[2].id), 2).await;
    assert_eq!((first.next, second.next), (Some(made[2].id.to_string()), None));
    let listed: Vec<_> = first.items.into_iter().chain(second.items).collect();
    for (listed, made) in listed.iter().zip(&made) {
        assert_eq!(*listed, on.batch(made).await);
    }
    assert_eq!((listed.len(), listed[1].rejected), (5, 2));
    let stranger = TenantId("a stranger".into());
    let theirs = on.store.batches(&stranger, None, 3).await.expect("reads");
    assert_eq!((theirs.items, theirs.next), (vec![], None));
}

async fn an_item_of_many_tasks_is_one_item(on: StoreFixture) {
    let many = plan(&[step("a"), step("b"), step("end").after("a").after("b").result()]);
    let items = batch(&[many.clone(), job()]);
    on.accept_batch(&items).await;
    on.run(task(&many, "a"), json!(1)).await;
    on.run(task(&many, "b"), json!(1)).await;
    assert_eq!(on.batch(&items).await.pending(), 2);
    on.run(task(&many, "end"), json!(1)).await;
    assert_eq!((on.batch(&items).await.fulfilled, on.batch(&items).await.pending()), (1, 1));
}

async fn a_batch_settled_in_one_call_is_counted_correctly(on: StoreFixture) {
    let jobs: Vec<_> = (0..30).map(|_| job()).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    on.dispatch().await;
    let tasks: Vec<_> = jobs.iter().map(only).collect();
    let claimed = on.store.claim(on.worker, &tasks, common::limits::LEASE).await.expect("claims");
    let verdict = |index: usize| match index % 3 {
        0 => Verdict::Failed(JobError::permanent("x", "third")),
        _ => succeeded(json!(index)),
    };
    let settlements = claimed.into_iter().flatten().enumerate().map(|(index, claimed)| {
        common::outcome::Settlement {
            task: claimed.task,
            fence: claimed.fence,
            verdict: verdict(index),
        }
    });
    let (settled, changes) =
        on.store.settle(on.worker, settlements.collect()).await.expect("settles");
    assert!(settled.iter().all(|one| *one == common::store::Settled::Counted));
    assert_eq!(changes.views.len(), 30);
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (20, 10, true));
}

async fn a_plan_that_fails_stops_the_batch_too(on: StoreFixture) {
    let jobs: Vec<_> =
        (0..3).map(|_| plan(&[step("a"), step("end").after("a").result()])).collect();
    let items = NewBatch { stop_on_error: true, ..batch(&jobs) };
    on.accept_batch(&items).await;
    on.run_badly(task(&jobs[0], "a"), "x").await;
    let view = on.batch(&items).await;
    assert_eq!((view.rejected, view.pending()), (3, 0), "without a sweep");
}

async fn a_batch_whose_items_never_ran_is_cancelled_as_a_whole(on: StoreFixture) {
    let jobs: Vec<_> = (0..3).map(|_| job()).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    on.cancel(Target::Batch(items.id)).await;
    for job in &jobs {
        assert_eq!(on.job(job.id).await.status, JobStatus::Cancelled);
    }
}

async fn a_stopped_batch_that_is_retried_runs_on_under_its_limit(on: StoreFixture) {
    let jobs: Vec<_> = (0..3).map(|_| job()).collect();
    let items = NewBatch { stop_on_error: true, max_concurrent: Some(1), ..batch(&jobs) };
    on.accept_batch(&items).await;
    let messages = on.dispatch().await;
    assert_eq!(messages.len(), 1);
    let claimed = on.claim(messages[0].task, common::limits::LEASE).await.expect("claims");
    on.fail(&claimed, "x").await;
    assert_eq!(on.batch(&items).await.rejected, 3);
    assert_eq!(on.retry(Target::Batch(items.id)).await.0, 3);
    for left in (0..3).rev() {
        let messages = on.dispatch().await;
        assert_eq!(messages.len(), 1, "one at a time, as before");
        on.run(messages[0].task, json!(1)).await;
        assert_eq!(on.batch(&items).await.pending(), left);
    }
}
