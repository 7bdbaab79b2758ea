//! Stored documents that can't be read: damaged, or of another version. Each harms its own row
//! alone.

use common::{
    error::{ErrorClass, JobError, code},
    id::{ScheduleId, TaskId},
    limits::LEASE,
    outcome::Verdict,
    rules::lifecycle::{JobStatus, TaskState},
    schedule::CatchUp,
    store::{Course, JobFilter, Schedule},
    submission::{NewItem, NewJob},
    view::ItemView,
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{
    builders::{batch_of, job, only, plan, step, task},
    each_store,
    fixture::StoreFixture,
};

each_store!(
    a_damaged_input_fails_its_own_task_and_the_others_of_the_claim_run,
    a_damaged_output_is_an_error_for_the_task_that_needs_it,
    a_damaged_document_of_a_job_is_reported_and_keeps_no_list_from_its_callers,
    a_damaged_schedule_is_listed_with_its_error_and_keeps_no_other_from_firing,
);

/// A part of each document that [`StoreFixture::damage`] damages.
const DAMAGED: &str = "poison";

fn with_input(input: Value) -> NewJob {
    let mut job = job();
    job.tasks[0].input = input.clone();
    NewJob { input, ..job }
}

fn is_unreadable(error: Option<&JobError>) -> bool {
    error
        .is_some_and(|error| error.code == code::UNREADABLE && error.class == ErrorClass::Permanent)
}

async fn a_damaged_input_fails_its_own_task_and_the_others_of_the_claim_run(on: StoreFixture) {
    let jobs = [json!(1), json!({"value": DAMAGED}), json!(3)].map(with_input);
    for job in &jobs {
        on.accept(job).await;
    }
    on.damage().await;
    on.dispatch().await;
    let tasks: Vec<TaskId> = jobs.iter().map(only).collect();
    let claimed = on.store.claim(on.worker, &tasks, LEASE).await.expect("claims");
    let [first, damaged, last] = claimed.try_into().expect("three");
    for (whole, input) in [(first, 1), (last, 3)] {
        let whole = whole.expect("claimed");
        assert_eq!((&whole.input, &whole.unreadable), (&json!(input), &None));
        on.succeed(&whole, json!(input)).await;
    }
    let damaged = damaged.expect("claimed");
    assert!(is_unreadable(damaged.unreadable.as_ref()), "{:?}", damaged.unreadable);
    let error = damaged.unreadable.clone().expect("an error");
    on.count(&damaged, Verdict::Failed(error)).await;
    let view = on.job(jobs[1].id).await;
    assert_eq!(view.status, JobStatus::Failed);
    assert!(is_unreadable(view.error.as_ref()), "{:?}", view.error);
}

async fn a_damaged_output_is_an_error_for_the_task_that_needs_it(on: StoreFixture) {
    let job = plan(&[step("need"), step("result").despite("need").result()]);
    on.accept(&job).await;
    let need = on.start(task(&job, "need")).await;
    on.succeed(&need, json!(DAMAGED)).await;
    on.damage().await;
    let claimed = on.start(task(&job, "result")).await;
    let need = claimed.needs[0].result.as_ref();
    assert!(is_unreadable(need.err()), "{need:?}");
    assert_eq!(claimed.unreadable, None);
}

async fn a_damaged_document_of_a_job_is_reported_and_keeps_no_list_from_its_callers(
    on: StoreFixture,
) {
    let jobs = [
        NewJob { metadata: Some(json!(DAMAGED)), ..job() },
        job(),
        NewJob { metadata: Some(json!({"whole": true})), ..job() },
    ];
    let items = jobs.iter().cloned().map(NewItem::Job);
    let refused = NewItem::Refused(JobError::caller(code::INVALID_INPUT, DAMAGED));
    let batch = batch_of(items.chain([refused]).collect());
    on.accept_batch(&batch).await;
    let claimed = on.start(only(&jobs[1])).await;
    on.succeed(&claimed, json!(DAMAGED)).await;
    on.damage().await;

    let list = on.store.list(&on.tenant, &JobFilter::default(), None, 10).await.expect("lists");
    assert_eq!(list.items.len(), 3);
    for view in &list.items {
        let is_damaged = view.id != jobs[2].id;
        assert_eq!(is_unreadable(view.error.as_ref()), is_damaged, "{view:?}");
    }
    let whole = list.items.iter().find(|view| view.id == jobs[2].id).expect("listed");
    assert_eq!((&whole.error, &whole.metadata), (&None, &Some(json!({"whole": true}))));

    let items = on.store.items(&on.tenant, batch.id, 0, 10).await.expect("reads");
    let items = items.expect("a batch");
    assert_eq!(items.len(), 4);
    let ItemView::Refused(error) = &items[3].1 else { panic!("{:?}", items[3]) };
    assert!(is_unreadable(Some(error)), "{error:?}");
    // Damaged metadata keeps no job from running.
    let claimed = on.start(only(&jobs[0])).await;
    on.succeed(&claimed, json!(1)).await;
    let tasks = on.store.tasks(&on.tenant, jobs[0].id).await.expect("reads").expect("a job");
    assert_eq!(tasks[0].state, TaskState::Succeeded);
}

async fn a_damaged_schedule_is_listed_with_its_error_and_keeps_no_other_from_firing(
    on: StoreFixture,
) {
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("a time");
    let schedules = [DAMAGED, "whole"].map(|value| Schedule {
        id: ScheduleId::new(),
        tenant: on.tenant.clone(),
        name: None,
        cron: "*/5 * * * *".to_owned(),
        timezone: "UTC".to_owned(),
        catch_up: CatchUp::All,
        starts_at: None,
        ends_at: None,
        paused: false,
        job: json!({"kind": "echo", "input": {"value": value}}),
        created_at: now,
        revision: 1,
        course: Course { next_at: Some(now - 1.minute()), ..Course::default() },
    });
    for schedule in &schedules {
        assert!(on.store.create_schedule(schedule).await.expect("creates"));
    }
    on.damage().await;
    let listed = on.store.schedules(&on.tenant, None, 10).await.expect("lists").items;
    let (_, due) = on.store.due_schedules(10).await.expect("reads");
    for read in [listed, due] {
        assert_eq!(read.len(), 2);
        for schedule in read {
            let refusal = schedule.course.refusal.as_ref().map(|refusal| &refusal.error);
            let is_damaged = schedule.id == schedules[0].id;
            assert_eq!(is_unreadable(refusal), is_damaged, "{schedule:?}");
            assert_eq!(schedule.job.is_null(), is_damaged);
        }
    }
}
