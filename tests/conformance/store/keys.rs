//! Keys made of the outputs of needs, and verdicts on many tasks of one key.

use std::time::Duration;

use common::{
    key,
    rules::lifecycle::{JobStatus, TaskState},
    submission::NewJob,
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    builders::{batch, equal, only, plan, step, task},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_key_includes_the_outputs_of_its_needs_in_the_order_of_the_plan,
    one_failed_need_among_several_leaves_no_key,
    waiters_beyond_one_decision_are_all_settled,
    a_delayed_task_with_a_key_is_decided_when_it_is_due,
);

async fn a_key_includes_the_outputs_of_its_needs_in_the_order_of_the_plan(on: StoreFixture) {
    let joined =
        || plan(&[step("a"), step("b"), step("c").after("b").after("a").memo(json!("c")).result()]);
    let job = joined();
    on.accept(&job).await;
    let (a, b) = (json!("of a"), json!("of b"));
    on.run(task(&job, "a"), a.clone()).await;
    on.run(task(&job, "b"), b.clone()).await;
    on.run(task(&job, "c"), json!("of c")).await;
    let input_key = job.tasks[2].input_key.expect("it is memoised");
    let [a, b] = [key::output_hash(&a), key::output_hash(&b)];
    let keys = [key::task_key(input_key, &[b, a]), key::task_key(input_key, &[a, b])];
    assert_eq!(on.store.have_memos(&on.tenant, &keys).await.expect("reads"), [true, false]);
}

async fn one_failed_need_among_several_leaves_no_key(on: StoreFixture) {
    let joined = || {
        plan(&[step("a"), step("b"), step("c").after("a").despite("b").memo(json!("c")).result()])
    };
    let run_needs = async |job: &NewJob| {
        on.accept(job).await;
        on.run(task(job, "a"), json!(1)).await;
        on.run_badly(task(job, "b"), "x").await;
    };
    let (first, second) = (joined(), joined());
    run_needs(&first).await;
    on.run(task(&first, "c"), json!("made without b")).await;
    run_needs(&second).await;
    assert_eq!(
        on.state(task(&second, "c")).await,
        TaskState::Ready,
        "nothing of that is remembered"
    );
}

async fn waiters_beyond_one_decision_are_all_settled(on: StoreFixture) {
    let jobs: Vec<_> = (0..1_100).map(|_| equal(json!("same"))).collect();
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    let messages = on.dispatch().await;
    assert_eq!(messages.len(), 1);
    on.run(messages[0].task, json!("one run")).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.pending()), (1_100, 0));
    assert_eq!(on.job(jobs[1_099].id).await.status, JobStatus::Succeeded);
    assert!(on.state(only(&jobs[0])).await.is_final());
}

async fn a_delayed_task_with_a_key_is_decided_when_it_is_due(on: StoreFixture) {
    let soon = || Some(Timestamp::now() + Duration::from_millis(100));
    let first = NewJob { run_at: soon(), ..equal(json!("later")) };
    on.accept(&first).await;
    on.until(async || on.dispatch().await.pop().filter(|message| message.task == only(&first)))
        .await;
    on.run(only(&first), json!("made")).await;
    let second = NewJob { run_at: soon(), ..equal(json!("later")) };
    on.accept(&second).await;
    on.until(async || {
        assert!(on.dispatch().await.is_empty(), "the memo has it");
        (on.job(second.id).await.status == JobStatus::Succeeded).then_some(())
    })
    .await;
}
