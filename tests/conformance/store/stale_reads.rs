//! PostgreSQL's functions when another caller was faster: each checks the present state itself. The
//! tests build the moment in between by hand, because no race reaches it reliably.

use std::{sync::Arc, time::Duration};

use backing::store::postgres::{self, PgOptions};
use common::{
    id::{TaskId, WorkerId},
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Target, WorkerRegistration},
    submission::{Acceptance, Idempotency, NewBatch, NewJob, Submission, Work},
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use super::{
    builders::{Step, batch, equal, job, only, plan, step},
    database::Database,
    fixture::{POLICY, SHORT, StoreFixture},
};

async fn place() -> (StoreFixture, PgConnection) {
    let database = Database::new().await;
    let url = database.url();
    let store = postgres::connect(&url, PgOptions::default()).await.expect("a new store opens");
    let sql = PgConnection::connect(&url).await.expect("connects");
    (StoreFixture::new(Arc::new(store), database), sql)
}

fn registration(worker: WorkerId, slots: u32) -> WorkerRegistration {
    WorkerRegistration {
        worker,
        name: "a test".into(),
        slots: vec![(Queue::Light, slots)],
        draining: false,
        kinds: Vec::new(),
    }
}

/// Ends a task as a sweep does that found its lease expired a moment ago. Returns whether that was
/// accepted.
async fn end_as_expired(sql: &mut PgConnection, task: TaskId, fence: i64) -> bool {
    let settled: Vec<Uuid> = sqlx::query_scalar(
        "SELECT settled FROM spool.settle_plans(NULL, ARRAY[ROW($1, $2, 'failed', NULL, NULL, NULL,
             spool.cancelled_error(), '{}')::spool.settlement])",
    )
    .bind(task.0)
    .bind(fence)
    .fetch_one(sql)
    .await
    .expect("answers");
    !settled.is_empty()
}

#[tokio::test]
async fn a_lease_renewed_after_the_sweep_read_it_saves_its_task() {
    let (on, mut sql) = place().await;
    let (alive, expired) = (job(), job());
    on.accept(&alive).await;
    on.accept(&expired).await;
    let alive = on.start(only(&alive)).await;
    let expired = on.start_for(only(&expired), SHORT).await;
    assert!(!end_as_expired(&mut sql, alive.task, alive.fence.0 as i64).await, "it lives");
    assert!(
        !end_as_expired(&mut sql, expired.task, expired.fence.0 as i64 - 1).await,
        "an older attempt's"
    );
    while !end_as_expired(&mut sql, expired.task, expired.fence.0 as i64).await {}
    assert_eq!(on.state(alive.task).await, TaskState::Running);
    assert_eq!(on.state(expired.task).await, TaskState::Failed);
}

#[tokio::test]
async fn tasks_queued_during_a_pause_are_returned_by_the_next_dispatch() {
    let (on, mut sql) = place().await;
    for pause in [
        "INSERT INTO spool.pauses (since, scope, name) VALUES (1, 'queue', 'light')",
        "INSERT INTO spool.pauses (since, scope, name) VALUES (1, 'tenant', 'default')",
    ] {
        let job = job();
        on.accept(&job).await;
        on.dispatch().await;
        assert_eq!(on.state(only(&job)).await, TaskState::Queued);
        sql.execute(pause).await.expect("pauses");
        assert!(on.dispatch().await.is_empty());
        assert_eq!(on.state(only(&job)).await, TaskState::Ready);
        sql.execute("DELETE FROM spool.pauses").await.expect("resumes");
    }
}

#[tokio::test]
async fn a_worker_has_its_last_reported_slots_while_it_sends_heartbeats() {
    let (on, mut sql) = place().await;
    let slots = async || on.store.demand(Queue::Light).await.expect("reads").slots;
    let spare = async || on.store.dispatch(Queue::Light, 0, 0).await.expect("dispatches").room_left;
    on.store.heartbeat(&registration(on.worker, 2), &[], SHORT).await.expect("heartbeats");
    assert_eq!((slots().await, spare().await), (2, 2));
    sql.execute("UPDATE spool.workers SET heartbeat_at = heartbeat_at - 11000")
        .await
        .expect("writes");
    assert_eq!((slots().await, spare().await), (0, 0), "no worker reported for too long");
    on.store.heartbeat(&registration(on.worker, 5), &[], SHORT).await.expect("heartbeats");
    assert_eq!((slots().await, spare().await), (5, 5));
}

#[tokio::test]
async fn a_stopping_batch_stops_despite_later_successes() {
    let (on, mut sql) = place().await;
    let jobs = [job(), job(), job()];
    let items = NewBatch { stop_on_error: true, ..batch(&jobs) };
    on.accept_batch(&items).await;
    let claimed = on.start(only(&jobs[0])).await;
    // As if the process that counted the first failure had died before it cancelled the rest.
    sql.execute("UPDATE spool.batches SET stopping = true").await.expect("writes");
    on.succeed(&claimed, json!(1)).await;
    on.store.sweep(POLICY).await.expect("sweeps");
    let view = on.batch(&items).await;
    assert_eq!((view.fulfilled, view.rejected), (1, 2));
}

#[tokio::test]
async fn a_retry_of_an_outdated_generation_retries_nothing() {
    let (on, mut sql) = place().await;
    let job = plan(&[step("a").result()]);
    on.accept(&job).await;
    on.run_badly(only(&job), "x").await;
    on.retry(Target::Job(job.id)).await;
    on.run_badly(TaskId::derive(only(&job).0, 1), "x").await;
    let late =
        "SELECT retried FROM spool.retry(ARRAY[$1], ARRAY[0], ARRAY[$1], ARRAY[$2], ARRAY[$3])";
    let query = sqlx::query_scalar(late).bind(job.id.0).bind(only(&job).0).bind(Uuid::from_u128(1));
    let retried: Vec<Uuid> = query.fetch_one(&mut sql).await.expect("answers");
    assert_eq!(retried, Vec::<Uuid>::new());
    assert_eq!(on.job(job.id).await.status, JobStatus::Failed);
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_its_call_for_a_day() {
    let (on, mut sql) = place().await;
    let call = |job: &NewJob| Submission {
        tenant: on.tenant.clone(),
        idempotency: Some(Idempotency {
            key: "k".into(),
            fingerprint: common::id::Digest::of(b"body"),
            answer: job.id.to_string(),
        }),
        work: Work::Job(job.clone()),
    };
    let answer = async |job: &NewJob| {
        on.try_accept(vec![call(job)]).await.expect("accepts").answers.remove(0)
    };
    let (first, second, third) = (job(), job(), job());
    assert_eq!(answer(&first).await, Acceptance::Stored);
    sql.execute("UPDATE spool.idempotency_keys SET expires_at = expires_at - 86340000")
        .await
        .expect("writes");
    assert_eq!(
        answer(&second).await,
        Acceptance::Replayed(first.id.to_string()),
        "a minute is left"
    );
    sql.execute("UPDATE spool.idempotency_keys SET expires_at = expires_at - 60001")
        .await
        .expect("writes");
    assert_eq!(answer(&third).await, Acceptance::Stored);
    assert_eq!(on.job(third.id).await.status, JobStatus::Queued);
    assert_eq!(
        answer(&job()).await,
        Acceptance::Replayed(third.id.to_string()),
        "for a day from now"
    );
}

#[tokio::test]
async fn a_memo_in_use_is_touched_once_an_hour() {
    let (on, mut sql) = place().await;
    let first = equal(json!(1));
    on.accept(&first).await;
    on.run(only(&first), json!("made")).await;
    let age = async |sql: &mut PgConnection| -> i64 {
        sqlx::query_scalar("SELECT spool.now_ms() - used_at FROM spool.memos")
            .fetch_one(sql)
            .await
            .expect("reads")
    };
    for (minutes, touched) in [(30, false), (90, true)] {
        sqlx::query("UPDATE spool.memos SET used_at = spool.now_ms() - $1 * 60000")
            .bind(i64::from(minutes))
            .execute(&mut sql)
            .await
            .expect("writes");
        let hit = equal(json!(1));
        on.accept(&hit).await;
        assert_eq!(on.job(hit.id).await.status, JobStatus::Succeeded);
        let young = Duration::from_millis(age(&mut sql).await as u64) < Duration::from_secs(60);
        assert_eq!(young, touched, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_job_started_after_its_deadline_was_read_does_not_expire() {
    let (on, mut sql) = place().await;
    let expire = async |sql: &mut PgConnection, task: TaskId| -> bool {
        let query = sqlx::query_scalar(
            "SELECT expired FROM spool.fail_overdue_start($1, spool.cancelled_error())",
        );
        query.bind(task.0).fetch_one(sql).await.expect("answers")
    };
    let (released, half, done, still) =
        (job(), plan(&two_roots()), plan(&two_roots()), plan(&two_roots()));
    for job in [&released, &half, &done, &still] {
        on.accept(job).await;
    }
    let claimed = on.start(only(&released)).await;
    assert!(!expire(&mut sql, claimed.task).await, "it runs");
    on.store.release(on.worker, &[(claimed.task, claimed.fence)]).await.expect("releases");
    assert!(!expire(&mut sql, claimed.task).await, "it ran");
    on.start(only(&half)).await;
    assert!(!expire(&mut sql, half.tasks[1].id).await, "another of its plan runs");
    on.run(only(&done), json!(1)).await;
    assert!(!expire(&mut sql, done.tasks[1].id).await, "another of its plan ran");
    assert!(expire(&mut sql, still.tasks[1].id).await, "nothing of it ran");
}

fn two_roots() -> [Step; 3] {
    [step("a"), step("b"), step("end").after("a").after("b").result()]
}

#[tokio::test]
async fn the_deadline_of_a_job_that_started_in_time_is_removed() {
    let (on, mut sql) = place().await;
    let job = NewJob { queue_timeout: Some(Duration::from_millis(1)), ..job() };
    on.accept(&job).await;
    on.start(only(&job)).await;
    on.tick().await;
    on.tick().await;
    on.store.sweep(POLICY).await.expect("sweeps");
    let left =
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM spool.deadlines").fetch_one(&mut sql);
    assert_eq!(left.await.expect("counts"), 0);
    assert_eq!(on.state(only(&job)).await, TaskState::Running);
}
