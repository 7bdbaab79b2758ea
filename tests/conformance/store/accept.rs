//! Accepting submissions: each once, whole, and independent of the others.

use common::{
    error::JobError,
    id::{Digest, TenantId},
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Credit, DeadFilter, JobFilter},
    submission::{Acceptance, Idempotency, NewBatch, NewItem, NewJob, Priority, Submission, Work},
    view::{ItemView, Rank},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    builders::{batch, batch_of, job, only, plan, step},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    an_accepted_job_reads_as_it_was_given,
    an_accept_repeated_after_an_unclear_commit_changes_nothing,
    a_key_replays_its_response_and_belongs_to_one_call,
    equal_keys_in_one_call_store_one_job,
    a_key_of_an_earlier_call_is_refused_to_another_body,
    a_replayed_batch_leaves_nothing,
    refused_items_are_rejected_from_the_start,
    a_batch_of_refused_items_is_settled_at_once,
    a_submission_with_credit_is_queued_at_once_up_to_the_credit,
    a_job_with_a_later_start_is_not_queued_and_says_so,
    the_work_of_another_tenant_is_invisible,
);

async fn an_accepted_job_reads_as_it_was_given(on: StoreFixture) {
    let job = NewJob {
        tags: vec!["a".into(), "b".into()],
        metadata: Some(json!({"mine": 1.50})),
        priority: Priority(7),
        ..job()
    };
    let accepted = on.accept(&job).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.kind.as_str(), view.priority), (JobStatus::Queued, "echo", 7));
    assert_eq!(view.tags, ["a", "b"]);
    assert_eq!(view.metadata, Some(json!({"mine": 1.50})));
    assert_eq!((view.result.clone(), view.error.clone(), view.batch), (None, None, None));
    assert!(view.tasks.is_empty(), "a job of one task counts none: {:?}", view.tasks);
    assert!(view.rank > Rank::default());
    assert_eq!(accepted.changes.views, [view]);
    assert_eq!(accepted.changes.readied, [Queue::Light]);
    let tasks = on.store.tasks(&on.tenant, job.id).await.expect("reads").expect("there");
    assert_eq!(tasks.len(), 1);
    assert_eq!(
        (tasks[0].id, tasks[0].state, tasks[0].name.as_str()),
        (only(&job), TaskState::Ready, "only")
    );
}

async fn an_accept_repeated_after_an_unclear_commit_changes_nothing(on: StoreFixture) {
    let (one, items) = (plan(&[step("a"), step("b").after("a").result()]), batch(&[job(), job()]));
    on.accept(&one).await;
    on.accept_batch(&items).await;
    on.run(only(&one), json!(1)).await;
    let before = (on.job(one.id).await, on.batch(&items).await);
    let again = on.accept(&one).await;
    on.accept_batch(&items).await;
    assert_eq!((on.job(one.id).await, on.batch(&items).await), before);
    assert!(again.messages.is_empty());
}

fn keyed(on: &StoreFixture, job: &NewJob, key: &str, body: &str) -> Submission {
    let idempotency = Idempotency {
        key: key.into(),
        fingerprint: Digest::of(body.as_bytes()),
        answer: format!("answer {}", job.id),
    };
    Submission { idempotency: Some(idempotency), ..on.submission(Work::Job(job.clone())) }
}

async fn a_key_replays_its_response_and_belongs_to_one_call(on: StoreFixture) {
    let (first, second, third, fourth) = (job(), job(), job(), job());
    let stored = on.try_accept(vec![keyed(&on, &first, "k", "body")]).await.expect("accepts");
    assert_eq!(stored.answers, [Acceptance::Stored]);
    let unclear = on.try_accept(vec![keyed(&on, &first, "k", "body")]).await.expect("accepts");
    assert_eq!(unclear.answers, [Acceptance::Stored], "the very same call is no replay");
    let other =
        Submission { tenant: TenantId("other".into()), ..keyed(&on, &fourth, "k", "another body") };
    let calls =
        vec![keyed(&on, &second, "k", "body"), keyed(&on, &third, "k", "another body"), other];
    let answers = on.try_accept(calls).await.expect("accepts").answers;
    let replayed = Acceptance::Replayed(format!("answer {}", first.id));
    assert_eq!(answers, [replayed, Acceptance::KeyReused, Acceptance::Stored]);
    assert_eq!(on.try_job(second.id).await, None);
    assert_eq!(on.try_job(third.id).await, None);
}

async fn a_key_of_an_earlier_call_is_refused_to_another_body(on: StoreFixture) {
    let (first, second) = (job(), job());
    on.try_accept(vec![keyed(&on, &first, "k", "body")]).await.expect("accepts");
    let answers = on
        .try_accept(vec![keyed(&on, &second, "k", "another body")])
        .await
        .expect("accepts")
        .answers;
    assert_eq!(answers, [Acceptance::KeyReused]);
    assert_eq!(on.try_job(second.id).await, None);
}

async fn a_replayed_batch_leaves_nothing(on: StoreFixture) {
    let (first, second) = (batch(&[job()]), batch(&[job()]));
    let call = |items: &NewBatch| {
        let call = keyed(&on, &job(), "k", "body");
        Submission { work: Work::Batch(items.clone()), ..call }
    };
    on.try_accept(vec![call(&first)]).await.expect("accepts");
    let answers = on.try_accept(vec![call(&second)]).await.expect("accepts").answers;
    assert!(matches!(answers.as_slice(), [Acceptance::Replayed(_)]), "{answers:?}");
    assert_eq!(on.store.batch(&on.tenant, second.id).await.expect("reads"), None);
    assert_eq!(on.batch(&first).await.pending(), 1);
}

async fn equal_keys_in_one_call_store_one_job(on: StoreFixture) {
    let (first, second) = (job(), job());
    let calls = vec![keyed(&on, &first, "k", "body"), keyed(&on, &second, "k", "body")];
    let answers = on.try_accept(calls).await.expect("accepts").answers;
    assert_eq!(answers, [Acceptance::Stored, Acceptance::Replayed(format!("answer {}", first.id))]);
    assert_eq!(on.try_job(second.id).await, None);
}

async fn refused_items_are_rejected_from_the_start(on: StoreFixture) {
    let (good, error) = (job(), JobError::caller("invalid_input", "/value: no"));
    let items = batch_of(vec![NewItem::Refused(error.clone()), NewItem::Job(good.clone())]);
    on.accept_batch(&items).await;
    let view = on.batch(&items).await;
    assert_eq!((view.total, view.fulfilled, view.rejected, view.pending()), (2, 0, 1, 1));
    assert_eq!(view.settled_at, None);
    assert_eq!(on.job(good.id).await.batch, Some((items.id, 1)));
    let items = on.store.items(&on.tenant, items.id, 0, 10).await.expect("reads").expect("there");
    assert_eq!(items[0], (0, ItemView::Refused(error)));
    assert!(matches!(&items[1], (1, ItemView::Job(view)) if view.id == good.id));
}

async fn a_batch_of_refused_items_is_settled_at_once(on: StoreFixture) {
    let items = batch_of(vec![NewItem::Refused(JobError::caller("invalid_input", "no"))]);
    on.accept_batch(&items).await;
    let view = on.batch(&items).await;
    assert_eq!((view.rejected, view.pending()), (1, 0));
    assert_eq!(view.settled_at, Some(view.created_at));
}

async fn a_submission_with_credit_is_queued_at_once_up_to_the_credit(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    let submissions = jobs.iter().map(|job| on.submission(Work::Job(job.clone()))).collect();
    let credit =
        [Credit { queue: Queue::Light, tasks: 2 }, Credit { queue: Queue::Render, tasks: 5 }];
    let accepted = on.store.accept(submissions, &credit).await.expect("accepts");
    assert_eq!(accepted.messages.len(), 2);
    let mut queued = 0;
    for job in &jobs {
        queued += u32::from(on.state(only(job)).await == TaskState::Queued);
    }
    assert_eq!(queued, 2);
    for message in &accepted.messages {
        assert!(on.claim(message.task, common::limits::LEASE).await.is_some());
    }
}

async fn a_job_with_a_later_start_is_not_queued_and_says_so(on: StoreFixture) {
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let later = Timestamp::from_millisecond(later.as_millisecond()).expect("a time");
    let job = NewJob { run_at: Some(later), ..job() };
    let credit = [Credit { queue: Queue::Light, tasks: 5 }];
    let accepted = on
        .store
        .accept(vec![on.submission(Work::Job(job.clone()))], &credit)
        .await
        .expect("accepts");
    assert!(accepted.messages.is_empty());
    assert!(on.dispatch().await.is_empty());
    let dispatched = on.store.dispatch(Queue::Light, 10, 10).await.expect("dispatches");
    assert_eq!((dispatched.next_due, dispatched.more), (Some(later), false));
    let view = on.job(job.id).await;
    assert_eq!(
        (view.run_at, view.waiting_for),
        (Some(later), Some(common::view::WaitingFor::Schedule))
    );
}

async fn the_work_of_another_tenant_is_invisible(on: StoreFixture) {
    let (mine, items) = (job(), batch(&[job()]));
    on.accept(&mine).await;
    on.accept_batch(&items).await;
    let other = TenantId("other".into());
    assert_eq!(on.store.jobs(&other, &[mine.id]).await.expect("reads"), [None]);
    assert_eq!(on.store.tasks(&other, mine.id).await.expect("reads"), None);
    assert_eq!(on.store.task(&other, only(&mine)).await.expect("reads"), None);
    assert_eq!(on.store.batch(&other, items.id).await.expect("reads"), None);
    assert_eq!(on.store.items(&other, items.id, 0, 9).await.expect("reads"), None);
    for target in [common::store::Target::Job(mine.id), common::store::Target::Batch(items.id)] {
        assert_eq!(on.store.cancel(&other, target).await.expect("answers"), None);
        assert_eq!(on.store.retry(&other, target).await.expect("answers"), None);
    }
    on.run_badly(only(&mine), "x").await;
    for filter in [
        JobFilter::default(),
        JobFilter { status: Some(JobStatus::Failed), ..JobFilter::default() },
    ] {
        assert!(
            !on.store.list(&on.tenant, &filter, None, 9).await.expect("lists").items.is_empty()
        );
        assert!(on.store.list(&other, &filter, None, 9).await.expect("lists").items.is_empty());
    }
    let dead = async |tenant| {
        on.store.dead(tenant, &DeadFilter::default(), None, 9).await.expect("lists").items.len()
    };
    assert_eq!((dead(&on.tenant).await, dead(&other).await), (1, 0));
}
