//! The state that a crash or an outage leaves between two statements, and its repair by the sweep.

use std::time::Duration;

use common::{
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{Heartbeat, Retention, WorkerRegistration},
    submission::NewBatch,
};
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
    let registration = WorkerRegistration {
        worker: on.worker,
        name: "a test".into(),
        slots: Vec::new(),
        draining: false,
        kinds: Vec::new(),
    };
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
    let registration = WorkerRegistration {
        worker: on.worker,
        name: "a test".into(),
        slots: vec![(Queue::Light, 1)],
        draining: false,
        kinds: Vec::new(),
    };
    let heartbeat = [Heartbeat { task: claimed.task, fence: claimed.fence, progress: None }];
    let beating = on.store.heartbeat(&registration, &heartbeat, Duration::from_secs(10));
    let replies = tokio::time::timeout(BOUND, beating)
        .await
        .expect("it waits for no lock")
        .expect("heartbeats");
    assert_eq!(replies, [common::store::HeartbeatReply::Held]);
    held.rollback().await.expect("rolls back");
}
