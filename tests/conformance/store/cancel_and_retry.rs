//! Cancelling and retrying work under way.

use common::{
    error::code,
    id::{BatchId, JobId, TaskId},
    limits::LEASE,
    outcome::Verdict,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Settled, Target},
};
use serde_json::json;

use super::{
    builders::{batch, equal, grown, job, only, plan, step, succeeded, task, tasks},
    each_store,
    fixture::{POLICY, SHORT, StoreFixture},
};

each_store!(
    cancelling_settles_idle_tasks_at_once,
    cancelling_asks_running_tasks_to_stop_and_waits_for_them,
    a_success_before_the_cancel_arrives_counts,
    a_cancelled_run_that_fails_is_a_cancelled_job,
    a_cancelled_task_does_not_come_back_by_retry_release_or_loss,
    tasks_added_by_a_cancelled_task_do_not_run,
    cancelling_a_final_job_or_cancelling_twice_changes_nothing,
    cancelling_keeps_finished_tasks,
    cancelling_a_batch_cancels_all_that_has_not_settled,
    unknown_targets_are_reported_by_their_type,
    a_retry_runs_only_the_tasks_that_did_not_succeed,
    a_retry_gives_new_tasks_and_old_leases_stay_stale,
    a_retried_cancelled_job_runs_to_its_end,
    a_retried_cancelled_job_may_fail,
    the_last_retry_of_a_plan_runs_each_task_once,
    retrying_a_succeeded_or_running_job_retries_nothing,
    retrying_twice_makes_a_third_generation,
    retrying_a_batch_runs_its_rejected_items_only,
    a_retried_task_uses_a_memo_recorded_meanwhile,
);

async fn cancelling_settles_idle_tasks_at_once(on: StoreFixture) {
    let job = plan(&[step("a"), step("b").after("a").result(), step("c")]);
    on.accept(&job).await;
    assert!(on.store.dispatch(Queue::Light, 1, 1).await.expect("dispatches").more);
    let changes = on.cancel(Target::Job(job.id)).await;
    assert!(changes.stopping.is_empty());
    let view = on.job(job.id).await;
    assert_eq!(changes.views, std::slice::from_ref(&view));
    assert_eq!(view.status, JobStatus::Cancelled);
    assert_eq!(view.error.expect("an error").code, code::CANCELLED);
    assert!(view.finished_at.is_some());
    assert!(on.states(job.id).await.iter().all(|(_, state)| *state == TaskState::Cancelled));
    assert!(on.dispatch().await.is_empty());
}

async fn cancelling_asks_running_tasks_to_stop_and_waits_for_them(on: StoreFixture) {
    let job = plan(&[step("a"), step("b").after("a").result()]);
    on.accept(&job).await;
    let claimed = on.start(task(&job, "a")).await;
    let changes = on.cancel(Target::Job(job.id)).await;
    assert_eq!(changes.stopping, [claimed.task]);
    assert_eq!(on.job(job.id).await.status, JobStatus::Running);
    assert_eq!(on.state(task(&job, "b")).await, TaskState::Cancelled);
    on.count(&claimed, Verdict::Cancelled).await;
    assert_eq!(on.state(task(&job, "a")).await, TaskState::Cancelled);
    assert_eq!(on.job(job.id).await.status, JobStatus::Cancelled);
}

async fn a_success_before_the_cancel_arrives_counts(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    on.cancel(Target::Job(job.id)).await;
    on.succeed(&claimed, json!("made")).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("made"))));
}

async fn a_cancelled_run_that_fails_is_a_cancelled_job(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    on.cancel(Target::Job(job.id)).await;
    on.fail(&claimed, "torn").await;
    assert_eq!(on.job(job.id).await.status, JobStatus::Cancelled);
    assert_eq!(on.task(only(&job)).await.error.expect("an error").code, "torn");
}

async fn a_cancelled_task_does_not_come_back_by_retry_release_or_loss(on: StoreFixture) {
    for way in 0..3 {
        let job = job();
        on.accept(&job).await;
        let claimed = on.start_for(only(&job), if way == 2 { SHORT } else { LEASE }).await;
        on.cancel(Target::Job(job.id)).await;
        match way {
            0 => {
                let error = common::error::JobError::transient("busy", "later");
                let retry = Verdict::Retry { error, pause: std::time::Duration::from_secs(60) };
                on.count(&claimed, retry).await;
            }
            1 => {
                let changes = on
                    .store
                    .release(on.worker, &[(claimed.task, claimed.fence)])
                    .await
                    .expect("releases");
                assert!(changes.readied.is_empty());
            }
            _ => drop(on.sweep_until_lost(POLICY).await),
        }
        assert_eq!(on.state(only(&job)).await, TaskState::Cancelled, "way {way}");
        assert_eq!(on.job(job.id).await.status, JobStatus::Cancelled, "way {way}");
    }
}

async fn tasks_added_by_a_cancelled_task_do_not_run(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    on.cancel(Target::Job(job.id)).await;
    let more = tasks(claimed.task.0, &[step("part"), step("end").after("part").result()]);
    on.count(&claimed, grown(json!(1), more)).await;
    assert!(on.dispatch().await.is_empty());
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Cancelled, None));
    assert!(on.states(job.id).await[1..].iter().all(|(_, state)| *state == TaskState::Cancelled));
}

async fn cancelling_a_final_job_or_cancelling_twice_changes_nothing(on: StoreFixture) {
    let (done, busy) = (job(), job());
    on.accept(&done).await;
    on.accept(&busy).await;
    on.run(only(&done), json!(1)).await;
    on.start(only(&busy)).await;
    let before = on.job(done.id).await;
    assert_eq!(on.cancel(Target::Job(done.id)).await, Default::default());
    assert_eq!(on.job(done.id).await, before);
    on.cancel(Target::Job(busy.id)).await;
    let before = on.job(busy.id).await;
    on.cancel(Target::Job(busy.id)).await;
    assert_eq!(on.job(busy.id).await.rank, before.rank);
}

async fn cancelling_keeps_finished_tasks(on: StoreFixture) {
    let job = plan(&[step("a"), step("b").after("a").result()]);
    on.accept(&job).await;
    on.run(task(&job, "a"), json!("kept")).await;
    on.cancel(Target::Job(job.id)).await;
    assert_eq!(on.state(task(&job, "a")).await, TaskState::Succeeded);
    assert_eq!(on.job(job.id).await.status, JobStatus::Cancelled);
}

async fn cancelling_a_batch_cancels_all_that_has_not_settled(on: StoreFixture) {
    let jobs = [job(), equal(json!(1)), equal(json!(1)), job()];
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    on.run(only(&jobs[0]), json!(1)).await;
    let busy = on.start(only(&jobs[3])).await;
    let changes = on.cancel(Target::Batch(items.id)).await;
    assert_eq!(changes.stopping, [busy.task]);
    assert!(changes.readied.is_empty(), "no waiter of the batch takes over");
    on.count(&busy, Verdict::Cancelled).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (1, 3, true));
}

async fn unknown_targets_are_reported_by_their_type(on: StoreFixture) {
    for target in [Target::Job(JobId::new()), Target::Batch(BatchId::new())] {
        assert_eq!(on.store.cancel(&on.tenant, target).await.expect("answers"), None);
        assert_eq!(on.store.retry(&on.tenant, target).await.expect("answers"), None);
    }
}

async fn a_retry_runs_only_the_tasks_that_did_not_succeed(on: StoreFixture) {
    let job = plan(&[
        step("a"),
        step("b"),
        step("c").after("a").after("b"),
        step("end").after("c").result(),
    ]);
    on.accept(&job).await;
    on.run(task(&job, "a"), json!("of a")).await;
    on.run_badly(task(&job, "b"), "x").await;
    let failed = on.job(job.id).await;
    assert_eq!(failed.status, JobStatus::Failed);
    let (jobs, changes) = on.retry(Target::Job(job.id)).await;
    assert_eq!((jobs, changes.readied.as_slice()), (1, [Queue::Light].as_slice()));
    let view = on.job(job.id).await;
    assert!(!view.status.is_final() && view.rank > failed.rank, "{view:?}");
    assert_eq!((view.error, view.finished_at), (None, None));
    assert_eq!((view.tasks["echo"].total, view.tasks["echo"].settled), (4, 1));
    let plan = on.store.tasks(&on.tenant, job.id).await.expect("reads").expect("there");
    let names: Vec<_> = plan.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "end"]);
    assert_eq!((plan[0].id, plan[0].state), (task(&job, "a"), TaskState::Succeeded));
    assert_eq!(plan[1].id, TaskId::derive(task(&job, "b").0, 1));
    assert_eq!(plan[2].needs, [plan[0].id, plan[1].id]);
    on.run(plan[1].id, json!("of b")).await;
    let claimed = on.start(plan[2].id).await;
    let outputs: Vec<_> =
        claimed.needs.iter().map(|need| need.result.clone().expect("an output")).collect();
    assert_eq!(outputs, [json!("of a"), json!("of b")]);
    on.succeed(&claimed, json!(1)).await;
    on.run(plan[3].id, json!("whole")).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("whole"))));
}

async fn a_retry_gives_new_tasks_and_old_leases_stay_stale(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    let old = on.start(only(&job)).await;
    on.fail(&old, "x").await;
    on.retry(Target::Job(job.id)).await;
    assert_eq!(on.state(only(&job)).await, TaskState::Failed, "a task row settles once");
    assert_eq!(on.settle(&old, succeeded(json!("late"))).await.0, Settled::Stale);
    let again = on.start(TaskId::derive(only(&job).0, 1)).await;
    assert_eq!((again.attempt, again.losses, &again.input), (1, 0, &old.input));
    on.succeed(&again, json!("well")).await;
    assert_eq!(on.job(job.id).await.result, Some(json!("well")));
}

async fn a_retried_cancelled_job_may_fail(on: StoreFixture) {
    for job in [job(), plan(&[step("only"), step("end").after("only").result()])] {
        on.accept(&job).await;
        on.cancel(Target::Job(job.id)).await;
        on.retry(Target::Job(job.id)).await;
        on.run_badly(TaskId::derive(task(&job, "only").0, 1), "x").await;
        let view = on.job(job.id).await;
        assert_eq!(
            (view.status, view.error.map(|error| error.code)),
            (JobStatus::Failed, Some("x".into()))
        );
    }
}

async fn the_last_retry_of_a_plan_runs_each_task_once(on: StoreFixture) {
    let job = plan(&[step("a"), step("end").after("a").result()]);
    on.accept(&job).await;
    let mut a = task(&job, "a");
    for generation in 1..=2 {
        on.run_badly(a, "x").await;
        assert_eq!(on.retry(Target::Job(job.id)).await.0, 1);
        a = TaskId::derive(a.0, generation);
        let states = on.states(job.id).await;
        assert_eq!(states.len(), 2, "{states:?}");
    }
    assert_eq!(on.dispatch().await.len(), 1);
}

async fn a_retried_cancelled_job_runs_to_its_end(on: StoreFixture) {
    let job = plan(&[step("a"), step("end").after("a").result()]);
    on.accept(&job).await;
    on.cancel(Target::Job(job.id)).await;
    assert_eq!(on.retry(Target::Job(job.id)).await.0, 1);
    on.run(TaskId::derive(task(&job, "a").0, 1), json!(1)).await;
    on.run(TaskId::derive(task(&job, "end").0, 1), json!("well")).await;
    let view = on.job(job.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("well"))));
}

async fn retrying_a_succeeded_or_running_job_retries_nothing(on: StoreFixture) {
    let (done, busy) = (job(), job());
    on.accept(&done).await;
    on.accept(&busy).await;
    on.run(only(&done), json!(1)).await;
    on.start(only(&busy)).await;
    for job in [&done, &busy] {
        let before = on.job(job.id).await;
        assert_eq!(on.retry(Target::Job(job.id)).await, (0, Default::default()));
        assert_eq!(on.job(job.id).await, before);
    }
}

async fn retrying_twice_makes_a_third_generation(on: StoreFixture) {
    let job = job();
    on.accept(&job).await;
    on.run_badly(only(&job), "x").await;
    on.retry(Target::Job(job.id)).await;
    let second = TaskId::derive(only(&job).0, 1);
    on.run_badly(second, "y").await;
    assert_eq!(on.job(job.id).await.error.expect("an error").code, "y");
    on.retry(Target::Job(job.id)).await;
    on.run(TaskId::derive(second.0, 2), json!("third")).await;
    let view = on.job(job.id).await;
    assert_eq!(
        (view.status, view.result, view.attempts),
        (JobStatus::Succeeded, Some(json!("third")), 3)
    );
    assert_eq!(on.states(job.id).await.len(), 1);
}

async fn retrying_a_batch_runs_its_rejected_items_only(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    let mut entries: Vec<_> = jobs.iter().cloned().map(common::submission::NewItem::Job).collect();
    entries.push(common::submission::NewItem::Refused(common::error::JobError::caller(
        "invalid_input",
        "no",
    )));
    let items = super::builders::batch_of(entries);
    on.accept_batch(&items).await;
    on.run(only(&jobs[0]), json!(1)).await;
    on.run_badly(only(&jobs[1]), "x").await;
    on.cancel(Target::Job(jobs[2].id)).await;
    assert!(on.batch(&items).await.settled_at.is_some());
    assert_eq!(on.retry(Target::Batch(items.id)).await.0, 2);
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.pending(), view.settled_at), (1, 1, 2, None));
    on.run(TaskId::derive(only(&jobs[1]).0, 1), json!(1)).await;
    on.run(TaskId::derive(only(&jobs[2]).0, 1), json!(1)).await;
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected, view.settled_at.is_some()), (3, 1, true));
}

async fn a_retried_task_uses_a_memo_recorded_meanwhile(on: StoreFixture) {
    let (failed, equal_job) = (equal(json!({"same": 1})), equal(json!({"same": 1})));
    on.accept(&failed).await;
    on.run_badly(only(&failed), "x").await;
    on.accept(&equal_job).await;
    on.run(only(&equal_job), json!("made")).await;
    let (jobs, changes) = on.retry(Target::Job(failed.id)).await;
    assert_eq!((jobs, changes.readied.len()), (1, 0));
    let view = on.job(failed.id).await;
    assert_eq!((view.status, view.result), (JobStatus::Succeeded, Some(json!("made"))));
}
