//! Plans: outputs handed to dependents, failures passed down or taken as data, growth.

use common::{
    error::{JobError, code},
    limits::LEASE,
    outcome::Verdict,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    submission::{NewBatch, NewJob, Priority},
};
use serde_json::{Value, json};

use super::{
    builders::{batch, grown, job, only, plan, step, task, tasks},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_dependent_is_ready_when_its_last_need_settles_and_takes_their_outputs_in_order,
    a_need_listed_twice_is_met_once,
    a_failed_need_cancels_its_dependents_and_the_job_fails_with_the_first_error,
    tasks_stopped_by_a_failure_are_not_its_cause,
    a_failed_need_with_proceed_is_data_and_does_not_fail_the_job,
    a_task_waits_for_all_of_its_needs_even_if_an_optional_one_failed,
    a_result_that_fails_stops_the_rest_of_its_job,
    a_job_is_not_final_while_a_task_is_open,
    a_growing_task_can_hand_on_the_result,
    growth_without_a_result_task_keeps_the_present_one,
    growing_in_two_steps_ends_in_one_result,
    a_growing_side_task_does_not_take_over_the_result,
    grown_tasks_have_the_priority_and_the_limit_of_their_job,
    a_failed_grown_task_fails_the_job,
    a_plan_is_listed_in_the_order_of_insertion,
);

async fn a_dependent_is_ready_when_its_last_need_settles_and_takes_their_outputs_in_order(
    on: StoreFixture,
) {
    let job = plan(&[step("join").after("b").after("a").result(), step("a"), step("b")]);
    on.accept(&job).await;
    on.run(task(&job, "a"), json!("of a")).await;
    assert_eq!(on.state(task(&job, "join")).await, TaskState::Waiting);
    let changes = on.run(task(&job, "b"), json!("of b")).await;
    assert_eq!(changes.readied, [Queue::Light]);
    let claimed = on.start(task(&job, "join")).await;
    let needs: Vec<_> = claimed.needs.into_iter().map(|need| (need.name, need.result)).collect();
    assert_eq!(needs, [("b".to_owned(), Ok(json!("of b"))), ("a".to_owned(), Ok(json!("of a")))]);
    assert!(claimed.result);
}

async fn a_need_listed_twice_is_met_once(on: StoreFixture) {
    let job = plan(&[step("a"), step("twice").after("a").after("a").result()]);
    on.accept(&job).await;
    on.run(task(&job, "a"), json!(1)).await;
    let claimed = on.start(task(&job, "twice")).await;
    assert_eq!(claimed.needs.len(), 2);
}

async fn a_failed_need_cancels_its_dependents_and_the_job_fails_with_the_first_error(
    on: StoreFixture,
) {
    let job = plan(&[
        step("a"),
        step("b").after("a"),
        step("c").after("b"),
        step("d").after("c").result(),
    ]);
    on.accept(&job).await;
    on.run_badly(task(&job, "a"), "first").await;
    for (name, need) in [("b", "a"), ("c", "b"), ("d", "c")] {
        let view = on.task(task(&job, name)).await;
        let error = view.error.expect("an error");
        assert_eq!((view.state, error.code.as_str()), (TaskState::Cancelled, code::NEED_FAILED));
        assert!(error.detail.contains(&format!("`{need}`")), "{}", error.detail);
    }
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.error.expect("an error").code.as_str()),
        (JobStatus::Failed, "first")
    );
    assert_eq!(view.tasks["echo"].settled, 4);
}

async fn tasks_stopped_by_a_failure_are_not_its_cause(on: StoreFixture) {
    let job = plan(&[
        step("innocent"),
        step("guilty"),
        step("end").after("innocent").after("guilty").result(),
    ]);
    on.accept(&job).await;
    on.run_badly(task(&job, "guilty"), "guilty").await;
    assert_eq!(on.state(task(&job, "innocent")).await, TaskState::Cancelled);
    assert_eq!(on.job(job.id).await.error.expect("an error").code, "guilty");
}

async fn a_failed_need_with_proceed_is_data_and_does_not_fail_the_job(on: StoreFixture) {
    let job =
        plan(&[step("a"), step("b").after("a"), step("end").despite("a").despite("b").result()]);
    on.accept(&job).await;
    on.run_badly(task(&job, "a"), "first").await;
    let claimed = on.start(task(&job, "end")).await;
    let codes: Vec<_> =
        claimed.needs.iter().map(|need| need.result.clone().expect_err("failed").code).collect();
    assert_eq!(codes, ["first", code::NEED_FAILED]);
    on.succeed(&claimed, json!("well")).await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.result, view.error),
        (JobStatus::Succeeded, Some(json!("well")), None)
    );
}

async fn a_task_waits_for_all_of_its_needs_even_if_an_optional_one_failed(on: StoreFixture) {
    let job = plan(&[step("a"), step("b"), step("end").despite("a").after("b").result()]);
    on.accept(&job).await;
    on.run_badly(task(&job, "a"), "x").await;
    assert_eq!(on.state(task(&job, "end")).await, TaskState::Waiting);
    on.run(task(&job, "b"), json!(1)).await;
    let claimed = on.start(task(&job, "end")).await;
    assert_eq!((claimed.needs[0].result.is_err(), claimed.needs[1].result.is_ok()), (true, true));
}

async fn a_result_that_fails_stops_the_rest_of_its_job(on: StoreFixture) {
    let job =
        plan(&[step("end").result(), step("busy"), step("idle"), step("behind").after("busy")]);
    on.accept(&job).await;
    let busy = on.start(task(&job, "busy")).await;
    let changes = on.run_badly(task(&job, "end"), "x").await;
    assert_eq!(changes.stopping, [busy.task]);
    assert_eq!(on.state(task(&job, "idle")).await, TaskState::Cancelled);
    assert_eq!(on.state(task(&job, "behind")).await, TaskState::Cancelled);
    assert_eq!(on.job(job.id).await.status, JobStatus::Running);
    on.count(&busy, Verdict::Cancelled).await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.error.expect("an error").code.as_str()),
        (JobStatus::Failed, "x")
    );
}

async fn a_job_is_not_final_while_a_task_is_open(on: StoreFixture) {
    let job = plan(&[step("end").result(), step("aside")]);
    on.accept(&job).await;
    on.run(task(&job, "end"), json!("made")).await;
    assert_eq!(on.job(job.id).await.status, JobStatus::Running);
    on.run_badly(task(&job, "aside"), "x").await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("made"))));
}

async fn a_growing_task_can_hand_on_the_result(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let parent = on.start(only(&job)).await;
    let more = tasks(
        parent.task.0,
        &[step("left"), step("right"), step("end").after("left").after("right").result()],
    );
    let ids: Vec<_> = more.iter().map(|task| task.id).collect();
    let changes = on.count(&parent, grown(json!("the parts"), more)).await;
    assert_eq!(changes.readied, [Queue::Light]);
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Running, None));
    assert_eq!((view.tasks["echo"].total, view.tasks["echo"].settled), (4, 1));
    on.run(ids[0], json!(1)).await;
    on.run(ids[1], json!(2)).await;
    let end = on.start(ids[2]).await;
    assert!(end.result && end.needs.len() == 2);
    on.succeed(&end, json!("whole")).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("whole"))));
}

async fn growth_without_a_result_task_keeps_the_present_one(on: StoreFixture) {
    let job = plan(&[step("side"), step("end").after("side").result()]);
    on.accept(&job).await;
    let side = on.start(task(&job, "side")).await;
    let more = tasks(side.task.0, &[step("extra")]);
    let extra = more[0].id;
    on.count(&side, grown(json!(1), more)).await;
    on.run(task(&job, "end"), json!("made")).await;
    assert_eq!(on.job(job.id).await.status, JobStatus::Running, "the extra task is open");
    on.run(extra, json!(2)).await;
    assert_eq!(on.job(job.id).await.result, Some(json!("made")));
}

async fn growing_in_two_steps_ends_in_one_result(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let mut current = only(&job);
    for depth in 0..3 {
        let claimed = on.start(current).await;
        let more = tasks(claimed.task.0, &[step(&format!("depth {depth}")).result()]);
        current = more[0].id;
        on.count(&claimed, grown(Value::Null, more)).await;
    }
    on.run(current, json!("deep")).await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.result, view.attempts),
        (JobStatus::Succeeded, Some(json!("deep")), 4)
    );
}

async fn a_failed_grown_task_fails_the_job(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let parent = on.start(only(&job)).await;
    let more = tasks(parent.task.0, &[step("part"), step("end").after("part").result()]);
    let part = more[0].id;
    on.count(&parent, grown(Value::Null, more)).await;
    on.run_badly(part, "torn").await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.error.expect("an error").code.as_str()),
        (JobStatus::Failed, "torn")
    );
    let error = JobError::permanent("torn", "a test wants it");
    assert_eq!(on.task(part).await.error, Some(error));
}

async fn a_plan_is_listed_in_the_order_of_insertion(on: StoreFixture) {
    let job = plan(&[step("z"), step("a").after("z"), step("m").result()]);
    on.accept(&job).await;
    let parent = on.start(task(&job, "z")).await;
    on.count(&parent, grown(Value::Null, tasks(parent.task.0, &[step("b"), step("a")]))).await;
    let names: Vec<_> = on.states(job.id).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["z", "a", "m", "b", "a"]);
    let listed = on.store.tasks(&on.tenant, job.id).await.expect("reads").expect("there");
    assert_eq!(listed[1].needs, [task(&job, "z")]);
    assert_eq!(
        on.store.task(&on.tenant, listed[1].id).await.expect("reads").as_ref(),
        Some(&listed[1])
    );
}

async fn a_growing_side_task_does_not_take_over_the_result(on: StoreFixture) {
    let job = plan(&[step("side"), step("end").result()]);
    on.accept(&job).await;
    let side = on.start(task(&job, "side")).await;
    let more = tasks(side.task.0, &[step("more").result()]);
    let more_id = more[0].id;
    on.count(&side, grown(json!(1), more)).await;
    on.run(more_id, json!("not this")).await;
    on.run(task(&job, "end"), json!("this")).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("this"))));
}

async fn grown_tasks_have_the_priority_and_the_limit_of_their_job(on: StoreFixture) {
    let urgent = NewJob { priority: Priority(9), ..job() };
    let items = NewBatch { max_concurrent: Some(1), ..batch(std::slice::from_ref(&urgent)) };
    on.accept(&job()).await;
    on.accept_batch(&items).await;
    let one = async || {
        on.store.dispatch(Queue::Light, 100, 1).await.expect("dispatches").messages.remove(0).task
    };
    assert_eq!(one().await, only(&urgent));
    let claimed = on.claim(only(&urgent), LEASE).await.expect("claims");
    let more =
        tasks(claimed.task.0, &[step("a"), step("b"), step("end").after("a").after("b").result()]);
    let parts = [more[0].id, more[1].id];
    on.count(&claimed, grown(json!(1), more)).await;
    assert!(parts.contains(&one().await), "before work of lower priority that waited longer");
    assert!(!parts.contains(&one().await), "and one at a time");
}
