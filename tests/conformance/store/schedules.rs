//! Schedules as rows: each write states the revision that it changes.

use common::{
    error::JobError,
    id::{JobId, ScheduleId, TenantId},
    schedule::CatchUp,
    store::{Course, Refusal, Schedule},
};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::{each_store, fixture::StoreFixture};

each_store!(
    a_schedule_is_created_once_and_reads_back_unchanged,
    the_second_of_two_changes_from_one_revision_changes_nothing,
    only_due_schedules_are_returned_and_the_longest_due_comes_first,
    schedules_are_listed_newest_first_and_only_to_their_tenant,
);

fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).expect("a time")
}

fn schedule(on: &StoreFixture) -> Schedule {
    Schedule {
        id: ScheduleId::new(),
        tenant: on.tenant.clone(),
        name: Some("näme".to_owned()),
        cron: "*/5 * * * *".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        catch_up: CatchUp::All,
        starts_at: Some(now() - 1.hour()),
        ends_at: Some(now() + 1.hour()),
        paused: false,
        job: json!({"kind": "echo", "input": {"value": "\u{0}"}}),
        created_at: now(),
        revision: 1,
        course: Course { next_at: Some(now() + 5.minutes()), ..Course::default() },
    }
}

async fn made(on: &StoreFixture) -> Schedule {
    let schedule = schedule(on);
    assert!(on.store.create_schedule(&schedule).await.expect("creates"));
    schedule
}

async fn read(on: &StoreFixture, schedule: &Schedule) -> Option<Schedule> {
    on.store.schedule(&on.tenant, schedule.id).await.expect("reads")
}

async fn a_schedule_is_created_once_and_reads_back_unchanged(on: StoreFixture) {
    let schedule = made(&on).await;
    assert_eq!(read(&on, &schedule).await.as_ref(), Some(&schedule));
    let again = Schedule { name: None, ..schedule.clone() };
    assert!(!on.store.create_schedule(&again).await.expect("answers"));
    assert_eq!(read(&on, &schedule).await, Some(schedule.clone()));
    assert!(on.store.delete_schedule(&on.tenant, schedule.id).await.expect("deletes"));
    assert!(!on.store.delete_schedule(&on.tenant, schedule.id).await.expect("answers"));
    assert_eq!(read(&on, &schedule).await, None);
}

async fn the_second_of_two_changes_from_one_revision_changes_nothing(on: StoreFixture) {
    let schedule = made(&on).await;
    let course = Course {
        next_at: Some(now() + 10.minutes()),
        last_at: Some(now() - 1.minute()),
        last_job: Some(JobId::new()),
        refusal: Some(Refusal { at: now(), error: JobError::caller("x", "y") }),
    };
    assert!(on.store.advance_schedule(schedule.id, 1, &course).await.expect("advances"));
    assert!(!on.store.advance_schedule(schedule.id, 1, &Course::default()).await.expect("answers"));
    let paused = Schedule {
        paused: true,
        course: Course { next_at: None, ..course.clone() },
        ..schedule.clone()
    };
    assert!(
        !on.store.change_schedule(&paused).await.expect("answers"),
        "it was made from revision 1"
    );
    let advanced = Schedule { revision: 2, course, ..schedule };
    assert_eq!(read(&on, &advanced).await.as_ref(), Some(&advanced));
    assert!(
        on.store
            .change_schedule(&Schedule { revision: 2, ..paused.clone() })
            .await
            .expect("changes")
    );
    assert_eq!(read(&on, &advanced).await, Some(Schedule { revision: 3, ..paused }));
}

async fn only_due_schedules_are_returned_and_the_longest_due_comes_first(on: StoreFixture) {
    let mut wanted = Vec::new();
    for (minutes, paused) in [(-1, false), (-9, false), (5, false), (-5, true)] {
        let next_at = Some(now() + i64::from(minutes).minutes()).filter(|_| !paused);
        let schedule =
            Schedule { paused, course: Course { next_at, ..Course::default() }, ..schedule(&on) };
        assert!(on.store.create_schedule(&schedule).await.expect("creates"));
        wanted.push(schedule.id);
    }
    let (clock, due) = on.store.due_schedules(10).await.expect("reads");
    assert!((now() - clock).get_seconds().abs() < 20, "it is the store's time");
    assert_eq!(due.iter().map(|schedule| schedule.id).collect::<Vec<_>>(), [wanted[1], wanted[0]]);
    assert_eq!(on.store.due_schedules(1).await.expect("reads").1.len(), 1);
}

async fn schedules_are_listed_newest_first_and_only_to_their_tenant(on: StoreFixture) {
    let first = made(&on).await;
    on.tick().await;
    let second = made(&on).await;
    let other = on.as_tenant("other");
    assert_eq!(read(&other, &first).await, None);
    assert!(!on.store.delete_schedule(&TenantId("other".into()), first.id).await.expect("answers"));
    let page = on.store.schedules(&on.tenant, None, 1).await.expect("lists");
    assert_eq!((page.items, page.next), (vec![second.clone()], Some(second.id.to_string())));
    let page = on.store.schedules(&on.tenant, Some(second.id), 1).await.expect("lists");
    assert_eq!((page.items, page.next), (vec![first], None));
    assert_eq!(on.store.schedules(&other.tenant, None, 9).await.expect("lists").items, []);
}
