//! One firing for each due time, whoever fires and whatever dies in between.

use std::sync::Arc;

use common::{
    id::{JobId, ScheduleId, TenantId},
    port::clock::Clock,
    schedule::CatchUp,
    store::{Course, JobFilter, Reads, Schedule, Schedules},
};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::dispatcher::tests::Rig;

/// A time at which everything happens: no minute ends between two looks.
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn rig() -> Rig {
    let now = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    Rig::by(Arc::new(Still(now))).await
}

/// A schedule of every minute that has been due for this long.
async fn due_for(rig: &Rig, minutes: i64, catch_up: CatchUp, job: Value) -> Schedule {
    let minute = Timestamp::from_second(rig.dispatcher.clock.now().as_second() / 60 * 60).unwrap();
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
    assert!(rig.store.create_schedule(&schedule).await.unwrap());
    schedule
}

fn echo() -> Value {
    json!({"kind": "echo", "input": {"value": 1}})
}

async fn stored(rig: &Rig, schedule: &Schedule) -> Schedule {
    rig.store.schedule(&schedule.tenant, schedule.id).await.unwrap().unwrap()
}

async fn jobs_of(rig: &Rig, schedule: &Schedule) -> Vec<JobId> {
    let filter =
        JobFilter { tag: Some(format!("schedule:{}", schedule.id)), ..JobFilter::default() };
    let page = rig.store.list(&schedule.tenant, &filter, None, 1_000).await.unwrap();
    page.items.into_iter().map(|view| view.id).collect()
}

#[tokio::test]
async fn each_due_time_makes_one_job_however_many_fire_at_once() {
    let rig = rig().await;
    let schedule = due_for(&rig, 20, CatchUp::All, echo()).await;
    let racers = (0..8).map(|_| {
        let firing = rig.firing();
        tokio::spawn(async move { firing.run_once().await })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap().unwrap();
    }
    let after = stored(&rig, &schedule).await;
    let due = |at: Timestamp| JobId::of_firing(schedule.id, at.as_millisecond());
    let first = schedule.course.next_at.unwrap();
    let last = after.course.last_at.unwrap();
    let times = std::iter::successors(Some(first), |at| Some(*at + 1.minute()))
        .take_while(|at| *at <= last);
    let mut wanted: Vec<JobId> = times.map(due).collect();
    wanted.reverse();
    assert_eq!(wanted.len(), 21);
    assert_eq!(jobs_of(&rig, &schedule).await, wanted);
    assert_eq!(after.course.last_job, Some(wanted[0]));
    assert!(after.course.next_at.unwrap() > last);
    assert_eq!(rig.firing().run_once().await, Ok(0));
}

#[tokio::test]
async fn a_sweeper_that_dies_between_the_job_and_the_note_of_it_is_made_good_by_the_next_without_a_second_job()
 {
    let rig = rig().await;
    let schedule = due_for(&rig, 3, CatchUp::All, echo()).await;
    rig.firing().run_once().await.unwrap();
    let jobs = jobs_of(&rig, &schedule).await;
    // As it was before the note.
    let revision = stored(&rig, &schedule).await.revision;
    assert!(rig.store.advance_schedule(schedule.id, revision, &schedule.course).await.unwrap());
    rig.firing().run_once().await.unwrap();
    assert_eq!(jobs_of(&rig, &schedule).await, jobs);
}

#[tokio::test]
async fn a_firing_that_is_refused_is_noted_and_the_schedule_and_its_neighbours_go_on() {
    let rig = rig().await;
    let bad = due_for(&rig, 0, CatchUp::Skip, json!({"kind": "gone", "input": {}})).await;
    let good = due_for(&rig, 0, CatchUp::Skip, echo()).await;
    rig.firing().run_once().await.unwrap();
    let course = stored(&rig, &bad).await.course;
    let refusal = course.refusal.expect("it is noted");
    assert_eq!(
        (refusal.at, refusal.error.code.as_str()),
        (course.last_at.unwrap(), "unknown_kind")
    );
    assert_eq!(course.last_job, None);
    assert!(course.next_at.unwrap() > refusal.at);
    assert!(!jobs_of(&rig, &good).await.is_empty());
    assert_eq!(rig.metrics.fired.with_label_values(&["refused"]).get(), 1);
}

#[tokio::test]
async fn what_was_missed_is_skipped_unless_asked_for() {
    let rig = rig().await;
    for (catch_up, least, most) in
        [(CatchUp::Skip, 1, 3), (CatchUp::Latest, 2, 4), (CatchUp::All, 30, 33)]
    {
        let schedule = due_for(&rig, 30, catch_up, echo()).await;
        rig.firing().run_once().await.unwrap();
        let made = jobs_of(&rig, &schedule).await.len();
        assert!((least..=most).contains(&made), "{catch_up:?}: {made}");
    }
}
