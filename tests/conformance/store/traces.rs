//! Traces: every message of a job carries the trace of the call that made the job.

use std::time::Duration;

use common::{
    id::TaskId,
    port::broker::TaskMessage,
    queue::Queue,
    store::{Credit, Retention, Target},
    submission::{NewJob, Work},
    trace::TraceParent,
};
use serde_json::json;

use super::{
    builders::{batch, grown, job, only, plan, step, task, tasks},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_message_of_an_accept_carries_the_trace,
    a_message_of_a_dispatch_and_one_that_is_dispatched_again_carry_the_trace,
    planned_grown_and_retried_tasks_carry_the_trace_of_their_job,
);

fn trace(digit: char) -> TraceParent {
    let text = format!("00-{}-{}-01", digit.to_string().repeat(32), digit.to_string().repeat(16));
    TraceParent::read(&text).expect("a trace")
}

fn traced(job: NewJob, digit: char) -> NewJob {
    NewJob { trace: Some(trace(digit)), ..job }
}

fn of(messages: &[TaskMessage], task: TaskId) -> Option<&str> {
    let message =
        messages.iter().find(|message| message.task == task).expect("a message of this task");
    message.traceparent.as_deref()
}

async fn a_message_of_an_accept_carries_the_trace(on: StoreFixture) {
    let (with, without) = (traced(job(), 'a'), job());
    let items = batch(&[with.clone(), without.clone()]);
    let credit = [Credit { queue: Queue::Light, tasks: 10 }];
    let accepted =
        on.store.accept(vec![on.submission(Work::Batch(items))], &credit).await.expect("accepts");
    assert_eq!(of(&accepted.messages, only(&with)), Some(trace('a').as_str()));
    assert_eq!(of(&accepted.messages, only(&without)), None);
}

async fn a_message_of_a_dispatch_and_one_that_is_dispatched_again_carry_the_trace(
    on: StoreFixture,
) {
    let (one, without, other) = (traced(job(), 'a'), job(), traced(job(), 'b'));
    for job in [&one, &without, &other] {
        on.accept(job).await;
    }
    let dispatched = on.dispatch().await;
    let (again, queued) = on.store.overdue(Queue::Light, Duration::ZERO, 10).await.expect("looks");
    assert_eq!(queued, 3);
    for messages in [dispatched, again] {
        assert_eq!(of(&messages, only(&one)), Some(trace('a').as_str()));
        assert_eq!(of(&messages, only(&without)), None);
        assert_eq!(of(&messages, only(&other)), Some(trace('b').as_str()));
    }
}

async fn planned_grown_and_retried_tasks_carry_the_trace_of_their_job(on: StoreFixture) {
    let job = traced(plan(&[step("first"), step("end").after("first").result()]), 'c');
    on.accept(&job).await;
    on.run(task(&job, "first"), json!(1)).await;
    assert_eq!(of(&on.dispatch().await, task(&job, "end")), Some(trace('c').as_str()));
    let claimed = on.claim(task(&job, "end"), Duration::from_secs(10)).await.expect("it is queued");
    let more = tasks(claimed.task.0, &[step("more").result()]);
    let added = more[0].id;
    on.count(&claimed, grown(json!(2), more)).await;
    assert_eq!(of(&on.dispatch().await, added), Some(trace('c').as_str()));
    let claimed = on.claim(added, Duration::from_secs(10)).await.expect("it is queued");
    on.fail(&claimed, "bad_luck").await;
    on.retry(Target::Job(job.id)).await;
    let messages = on.dispatch().await;
    assert!(
        !messages.is_empty()
            && messages
                .iter()
                .all(|message| message.traceparent.as_deref() == Some(trace('c').as_str()))
    );
}

/// SQLite stores the trace in the job's row, which goes with the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_removes_an_old_trace_and_dispatches_its_job_without_one() {
    let on = super::adapters::postgres().await;
    let job = traced(job(), 'd');
    on.accept(&job).await;
    on.tick().await;
    let retain = async |jobs| {
        on.store.retain(Retention { jobs, memos: jobs, most: 10 }).await.expect("retains")
    };
    retain(Duration::from_secs(3600)).await;
    assert_eq!(
        of(&on.dispatch().await, only(&job)),
        Some(trace('d').as_str()),
        "it is not old yet"
    );
    retain(Duration::ZERO).await;
    let (again, _) = on.store.overdue(Queue::Light, Duration::ZERO, 10).await.expect("looks");
    assert_eq!(of(&again, only(&job)), None);
}
