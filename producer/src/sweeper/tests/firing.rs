//! One firing for each due time, however many sweepers fire and die in between.

use std::sync::Arc;

use common::{
    id::{JobId, ScheduleId, TenantId},
    port::clock::Clock,
    schedule::CatchUp,
    store::{Course, JobFilter, Reads, Schedule, Schedules},
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::dispatcher::tests::TestDispatcher;

/// A clock that stands still, so that no minute ends during a test.
struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn fixture() -> TestDispatcher {
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    TestDispatcher::with_clock(Arc::new(FixedClock(now))).await
}

/// A schedule of every minute that has been due for this long.
async fn due_for(
    fixture: &TestDispatcher,
    minutes: i64,
    catch_up: CatchUp,
    job: Value,
) -> Schedule {
    let minute =
        Timestamp::from_second(fixture.dispatcher.clock.now().as_second() / 60 * 60).unwrap();
    let schedule = Schedule {
        id: ScheduleId::new(),
        tenant: TenantId::default(),
        name: None,
        cron: "* * * * *".into(),
        timezone: "UTC".into(),
        catch_up,
        starts_at: None,
        ends_at: None,
        paused: false,
        job,
        created_at: minute,
        revision: 1,
        course: Course { next_at: Some(minute - minutes.minutes()), ..Course::default() },
    };
    assert!(fixture.store.create_schedule(&schedule).await.unwrap());
    schedule
}

fn echo() -> Value {
    json!({"kind": "echo", "input": {"value": 1}})
}

async fn stored(fixture: &TestDispatcher, schedule: &Schedule) -> Schedule {
    fixture.store.schedule(&schedule.tenant, schedule.id).await.unwrap().unwrap()
}

async fn jobs_of(fixture: &TestDispatcher, schedule: &Schedule) -> Vec<JobId> {
    let filter =
        JobFilter { tag: Some(format!("schedule:{}", schedule.id)), ..JobFilter::default() };
    let page = fixture.store.list(&schedule.tenant, &filter, None, 1_000).await.unwrap();
    page.items.into_iter().map(|view| view.id).collect()
}

#[tokio::test]
async fn each_due_time_makes_one_job_however_many_fire_at_once() {
    let fixture = fixture().await;
    let schedule = due_for(&fixture, 20, CatchUp::All, echo()).await;
    let racers = (0..8).map(|_| {
        let firer = fixture.firer();
        tokio::spawn(async move { firer.run_once(&mut None).await })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap().unwrap();
    }
    let after = stored(&fixture, &schedule).await;
    let due = |at: Timestamp| JobId::of_firing(schedule.id, at.as_millisecond());
    let first = schedule.course.next_at.unwrap();
    let last = after.course.last_at.unwrap();
    let times = std::iter::successors(Some(first), |at| Some(*at + 1.minute()))
        .take_while(|at| *at <= last);
    let mut expected: Vec<JobId> = times.map(due).collect();
    expected.reverse();
    assert_eq!(expected.len(), 21);
    assert_eq!(jobs_of(&fixture, &schedule).await, expected);
    assert_eq!(after.course.last_job, Some(expected[0]));
    assert!(after.course.next_at.unwrap() > last);
    assert_eq!(fixture.firer().run_once(&mut None).await, Ok(0));
}

#[tokio::test]
async fn a_sweeper_that_dies_after_the_job_and_before_the_row_causes_no_second_job() {
    let fixture = fixture().await;
    let schedule = due_for(&fixture, 3, CatchUp::All, echo()).await;
    fixture.firer().run_once(&mut None).await.unwrap();
    let jobs = jobs_of(&fixture, &schedule).await;
    // The row as it was before the firing.
    let revision = stored(&fixture, &schedule).await.revision;
    assert!(fixture.store.advance_schedule(schedule.id, revision, &schedule.course).await.unwrap());
    fixture.firer().run_once(&mut None).await.unwrap();
    assert_eq!(jobs_of(&fixture, &schedule).await, jobs);
}

#[tokio::test]
async fn a_refused_firing_is_recorded_and_the_schedule_and_its_neighbours_go_on() {
    let fixture = fixture().await;
    let bad = due_for(&fixture, 0, CatchUp::Skip, json!({"kind": "gone", "input": {}})).await;
    let good = due_for(&fixture, 0, CatchUp::Skip, echo()).await;
    fixture.firer().run_once(&mut None).await.unwrap();
    let course = stored(&fixture, &bad).await.course;
    let refusal = course.refusal.expect("it is recorded");
    assert_eq!(
        (refusal.at, refusal.error.code.as_str()),
        (course.last_at.unwrap(), "unknown_kind")
    );
    assert_eq!(course.last_job, None);
    assert!(course.next_at.unwrap() > refusal.at);
    assert!(!jobs_of(&fixture, &good).await.is_empty());
    assert_eq!(fixture.metrics.fired.with_label_values(&["refused"]).get(), 1);
}

#[tokio::test]
async fn missed_firings_are_skipped_by_default() {
    let fixture = fixture().await;
    for (catch_up, least, most) in
        [(CatchUp::Skip, 1, 3), (CatchUp::Latest, 2, 4), (CatchUp::All, 30, 33)]
    {
        let schedule = due_for(&fixture, 30, catch_up, echo()).await;
        fixture.firer().run_once(&mut None).await.unwrap();
        let jobs = jobs_of(&fixture, &schedule).await.len();
        assert!((least..=most).contains(&jobs), "{catch_up:?}: {jobs}");
    }
}

#[tokio::test]
async fn a_time_that_was_computed_by_a_clock_that_was_ahead_is_put_right_once() {
    let fixture = fixture().await;
    let now = fixture.dispatcher.clock.now();
    let ahead = due_for(&fixture, -180, CatchUp::Skip, echo()).await;
    fixture.firer().run_once(&mut Some(now)).await.unwrap();
    assert_eq!(stored(&fixture, &ahead).await, ahead, "the clock was not set back");
    let mut latest = Some(now + 3.hours());
    fixture.firer().run_once(&mut latest).await.unwrap();
    assert_eq!(latest, Some(now));
    let minute = Timestamp::from_second(now.as_second() / 60 * 60).unwrap();
    let next_at = Some(minute + 1.minutes());
    assert_eq!(stored(&fixture, &ahead).await.course, Course { next_at, ..ahead.course.clone() });
    assert_eq!(jobs_of(&fixture, &ahead).await, []);
}
