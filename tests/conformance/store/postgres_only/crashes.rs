//! The state that a crash or an outage leaves between two statements, and its repair by the sweep.

use std::time::Duration;

use common::{
    error::JobError,
    outcome::Verdict,
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Heartbeat, Retention, WorkerRegistration},
    submission::{NewBatch, NewJob},
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{Connection, Executor};

use super::{new_store, number};
use crate::store::{
    builders::{batch, equal, job, only},
    fixture::{BOUND, POLICY, SHORT},
};

#[tokio::test]
async fn a_waiter_left_undecided_by_a_crash_is_decided_by_the_sweep() {
    let (on, mut sql, _) = new_store().await;
    let (leader, cached) = (equal(json!(1)), equal(json!(2)));
    on.accept(&leader).await;
    on.accept(&cached).await;
    sql.execute("UPDATE spool.tasks SET is_leader = false, state = 'waiting', phase = 0")
        .await
        .expect("updates");
    sqlx::query(
        "INSERT INTO spool.memos (tenant, key, output, output_hash, created_at, used_at)
         SELECT tenant, key, '\"memo\"', key, 1, 1 FROM spool.tasks WHERE id = $1",
    )
    .bind(only(&cached).0)
    .execute(&mut sql)
    .await
    .expect("inserts");
    assert!(on.dispatch().await.is_empty());
    let swept = on.store.sweep(POLICY).await.expect("sweeps");
    assert_eq!(swept.changes.readied, [Queue::Light]);
    assert_eq!(on.state(only(&leader)).await, TaskState::Ready);
    assert_eq!(on.job(cached.id).await.result, Some(json!("memo")));
}

#[tokio::test]
async fn a_batch_left_half_stopped_by_a_crash_is_stopped_by_the_sweep() {
    let (on, mut sql, _) = new_store().await;
    let items = NewBatch { stop_on_error: true, ..batch(&[job(), job(), job()]) };
    on.accept_batch(&items).await;
    sql.execute("UPDATE spool.batches SET stopping = true").await.expect("updates");
    on.store.sweep(POLICY).await.expect("sweeps");
    assert_eq!(on.batch(&items).await.rejected, 3);
    assert_eq!(number(&mut sql, "SELECT count(*) FROM spool.batches WHERE stopping").await, 0);
}

#[tokio::test]
async fn the_history_of_days_without_jobs_is_dropped_as_a_whole() {
    let (on, mut sql, _) = new_store().await;
    sql.execute(
        "CREATE TABLE spool.history_20200101 PARTITION OF spool.history
             FOR VALUES FROM (spool.first_id(1577836800000)) TO (spool.first_id(1577923200000))",
    )
    .await
    .expect("makes an old day");
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'spool.history'::regclass";
    let before = number(&mut sql, partitions).await;
    sql.execute("DROP TABLE spool.history_rest").await.expect("drops");
    let ahead = "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE c.relname > 'history_2021'";
    assert!(number(&mut sql, ahead).await >= 8, "a week is there ahead of its time");
    sql.execute("CREATE TABLE spool.history_rest PARTITION OF spool.history DEFAULT")
        .await
        .expect("makes");
    let month = Duration::from_secs(30 * 24 * 3600);
    on.store.retain(Retention { jobs: month, memos: month, most: 10 }).await.expect("retains");
    assert_eq!(number(&mut sql, partitions).await, before - 1);
}

#[tokio::test]
async fn after_an_outage_no_lease_expires_and_no_loss_counts_for_the_length_of_a_lease() {
    let (on, mut sql, _) = new_store().await;
    let job = job();
    on.accept(&job).await;
    on.store.sweep(POLICY).await.expect("sweeps");
    let claimed = on.start_for(only(&job), SHORT).await;
    let over = "SELECT count(*) FROM spool.tasks WHERE lease_until < spool.now_ms()";
    while number(&mut sql, over).await == 0 {
        tokio::task::yield_now().await;
    }
    // As if no sweep had run for a minute.
    sql.execute("UPDATE spool.sweep_state SET swept_at = swept_at - 60000").await.expect("writes");
    for _ in 0..3 {
        assert_eq!(on.store.sweep(POLICY).await.expect("sweeps").lost, 0);
    }
    let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
    let registration = on.registration();
    let replies = on.store.heartbeat(&registration, &heartbeat, SHORT).await.expect("heartbeats");
    assert_eq!(
        replies,
        [common::store::HeartbeatReply::Held],
        "a worker that could not heartbeat can now"
    );
    while number(&mut sql, over).await == 0 {
        tokio::task::yield_now().await;
    }
    sql.execute("UPDATE spool.sweep_state SET grace_until = 0").await.expect("writes");
    assert_eq!(on.store.sweep(POLICY).await.expect("sweeps").lost, 1, "a lease later it counts");
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_no_lease_no_pause_and_no_deadline() {
    let (on, mut sql, _) = new_store().await;
    let (running, paused, chosen, bound) = (job(), job(), job(), job());
    let hour = Duration::from_secs(3600);
    let chosen = NewJob { run_at: Some(Timestamp::now() + 2 * hour), ..chosen };
    let bound = NewJob { queue_timeout: Some(hour), ..bound };
    for job in [&running, &paused, &chosen, &bound] {
        on.accept(job).await;
    }
    on.store.sweep(POLICY).await.expect("sweeps");
    on.start(only(&running)).await;
    let again = on.start(only(&paused)).await;
    let error = JobError::transient("x", "a test");
    on.count(&again, Verdict::Retry { error, pause: hour }).await;
    // As if all of it had been written by a clock that was an hour ahead.
    for statement in [
        "UPDATE spool.sweep_state SET swept_at = swept_at + 3600000",
        "UPDATE spool.tasks SET lease_until = lease_until + 3600000 WHERE state = 'running'",
        "UPDATE spool.tasks SET queued_at = queued_at + 3600000 WHERE phase = 2",
        "UPDATE spool.tasks SET run_at = run_at + 3600000 WHERE fence > 0 AND phase = 3",
        "UPDATE spool.deadlines SET due_at = due_at + 3600000",
        "UPDATE spool.workers SET heartbeat_at = heartbeat_at + 3600000",
    ] {
        sql.execute(statement).await.expect("writes");
    }
    on.store.sweep(POLICY).await.expect("sweeps");
    let lease = "SELECT round((lease_until - spool.now_ms()) / 60000.0)::bigint FROM spool.tasks
        WHERE state = 'running'";
    assert_eq!(number(&mut sql, lease).await, 0, "seconds");
    let pause = "SELECT round((run_at - spool.now_ms()) / 60000.0)::bigint FROM spool.tasks
        WHERE fence > 0 AND phase = 3";
    assert_eq!(number(&mut sql, pause).await, 60);
    let chosen_time = "SELECT round((run_at - spool.now_ms()) / 60000.0)::bigint FROM spool.tasks
        WHERE fence = 0 AND phase = 3";
    assert_eq!(number(&mut sql, chosen_time).await, 120, "it stays");
    let later = "SELECT count(*) FROM spool.workers WHERE heartbeat_at > spool.now_ms()";
    assert_eq!(number(&mut sql, later).await, 0);
    let deadline = "SELECT round((due_at - spool.now_ms()) / 60000.0)::bigint FROM spool.deadlines";
    assert_eq!(number(&mut sql, deadline).await, 60);
    let queued = "SELECT count(*) FROM spool.tasks WHERE queued_at > spool.now_ms()";
    assert_eq!(number(&mut sql, queued).await, 0);
}

#[tokio::test]
async fn a_lock_held_elsewhere_delays_no_heartbeat() {
    let (on, mut sql, _) = new_store().await;
    let job = job();
    on.accept(&job).await;
    let claimed = on.start(only(&job)).await;
    let mut held = sql.begin().await.expect("begins");
    sqlx::query("SELECT FROM spool.tasks WHERE id = $1 FOR UPDATE")
        .bind(only(&job).0)
        .execute(&mut *held)
        .await
        .expect("locks");
    let registration = WorkerRegistration { slots: vec![(Queue::Light, 1)], ..on.registration() };
    let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
    let beating = on.store.heartbeat(&registration, &heartbeat, Duration::from_secs(10));
    let replies = tokio::time::timeout(BOUND, beating)
        .await
        .expect("it waits for no lock")
        .expect("heartbeats");
    assert_eq!(replies, [common::store::HeartbeatReply::Held]);
    held.rollback().await.expect("rolls back");
}
