//! Retention: which rows are removed for their age, and which stay. Each kind of row has an age of
//! its own.

use std::{sync::Arc, time::Duration};

use backing::store::postgres::{PgOptions, connect};
use common::{
    id::JobId,
    store::{Retention, Target},
    submission::{NewBatch, NewItem, NewJob},
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::{NoContext, Uuid};

use super::{
    builders::{batch, batch_of, equal, job, only, plan, step, tasks},
    database::Database,
    each_store,
    fixture::StoreFixture,
};

each_store!(an_old_job_that_ended_recently_is_kept, one_step_removes_no_more_than_its_bound);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn keep(jobs: Duration, memos: Duration, most: u32) -> Retention {
    Retention { jobs, memos, most }
}

/// A job that was made this long ago.
fn old_job(age: Duration) -> NewJob {
    let made = Timestamp::now().as_second() as u64 - age.as_secs();
    let id = JobId(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, made, 0)));
    NewJob { id, tasks: tasks(id.0, &[step("only").result()]), ..job() }
}

async fn an_old_job_that_ended_recently_is_kept(on: StoreFixture) {
    let (ended, open) = (old_job(2 * DAY), old_job(2 * DAY));
    on.accept(&ended).await;
    on.accept(&open).await;
    on.run(only(&ended), json!(1)).await;
    on.store.retain(keep(HOUR, HOUR, 100)).await.expect("retains");
    assert!(on.try_job(ended.id).await.is_some() && on.try_job(open.id).await.is_some());
}

async fn one_step_removes_no_more_than_its_bound(on: StoreFixture) {
    let jobs = [job(), job(), job()];
    let items = batch(&jobs);
    on.accept_batch(&items).await;
    on.cancel(Target::Batch(items.id)).await;
    on.tick().await;
    on.tick().await;
    for left in [2, 1] {
        on.store.retain(keep(Duration::ZERO, HOUR, 1)).await.expect("retains");
        let views =
            on.store.jobs(&on.tenant, &jobs.each_ref().map(|job| job.id)).await.expect("reads");
        assert_eq!(views.iter().flatten().count(), left);
        assert!(
            on.store.batch(&on.tenant, items.id).await.expect("reads").is_some(),
            "while a job of it is there"
        );
    }
}

async fn place() -> (StoreFixture, PgConnection) {
    let database = Database::new().await;
    let url = database.url();
    let store = connect(&url, PgOptions::default()).await.expect("a new store opens");
    let sql = PgConnection::connect(&url).await.expect("connects");
    (StoreFixture::new(Arc::new(store), database), sql)
}

async fn count(sql: &mut PgConnection, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM spool.{table}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(sql).await.expect("counts")
}

#[tokio::test]
async fn removed_jobs_and_batches_leave_no_rows() {
    let (on, mut sql) = place().await;
    let refused = NewItem::Refused(common::error::JobError::permanent("x", "a test wants it"));
    let planned = plan(&[step("a"), step("end").after("a").result()]);
    let items =
        NewBatch { max_concurrent: Some(1), ..batch_of(vec![NewItem::Job(planned), refused]) };
    on.accept_batch(&items).await;
    on.cancel(Target::Batch(items.id)).await;
    let last = job();
    on.accept(&last).await;
    on.run(only(&last), json!(1)).await;
    on.until(async || {
        on.store.retain(keep(Duration::ZERO, HOUR, 100)).await.expect("retains");
        on.try_job(last.id).await.is_none().then_some(())
    })
    .await;
    for table in ["jobs", "plan_kinds", "batches", "refused_items", "batch_limits"] {
        assert_eq!(count(&mut sql, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn keys_and_workers_are_removed_after_a_day_and_memos_by_their_last_use() {
    let (on, mut sql) = place().await;
    sql.execute(
        "INSERT INTO spool.idempotency_keys
             (tenant, key, fingerprint, target, expires_at, response)
             SELECT 't', h::text, '', gen_random_uuid(), spool.now_ms() + (24 - h) * 3600000, ''
             FROM unnest(ARRAY[23, 25]) h;
         INSERT INTO spool.workers (id, heartbeat_at, render, generate, light, draining, name)
             SELECT gen_random_uuid(), spool.now_ms() - h * 3600000, 0, 0, 0, false, h::text
             FROM unnest(ARRAY[23, 25]) h",
    )
    .await
    .expect("inserts");
    for (index, used) in [(1, 1), (2, 3)] {
        let made = equal(json!(index));
        on.accept(&made).await;
        on.run(only(&made), json!(index)).await;
        let age = format!(
            "UPDATE spool.memos
             SET created_at = spool.now_ms() - 10 * 3600000,
                 used_at = spool.now_ms() - {used} * 3600000
             WHERE output = '{index}'"
        );
        sql.execute(AssertSqlSafe(age)).await.expect("writes");
    }
    on.store.retain(keep(30 * DAY, 2 * HOUR, 100)).await.expect("retains");
    let left = |table, column| format!("SELECT array_agg({column}) FROM spool.{table}");
    for (query, wanted) in [
        (left("idempotency_keys", "key"), "23"),
        (left("workers", "name"), "23"),
        (left("memos", "output"), "1"),
    ] {
        let found: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut sql).await.expect("reads");
        assert_eq!(found, [wanted]);
    }
}

#[tokio::test]
async fn a_day_of_history_stays_while_it_is_young_or_has_jobs() {
    let (on, mut sql) = place().await;
    let day = "to_char(current_date - 5, 'YYYYMMDD')";
    sql.execute(AssertSqlSafe(format!(
        "DO $$ BEGIN EXECUTE format(
             'CREATE TABLE spool.history_%s PARTITION OF spool.history
              FOR VALUES FROM (%L) TO (%L)',
             {day},
             spool.first_id((extract(epoch FROM current_date - 5) * 1000)::bigint),
             spool.first_id((extract(epoch FROM current_date - 4) * 1000)::bigint)); END $$"
    )))
    .await
    .expect("makes an old day");
    let there = async |sql: &mut PgConnection| -> bool {
        let query = format!("SELECT to_regclass('spool.history_' || {day}) IS NOT NULL");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(sql).await.expect("reads")
    };
    let older = old_job(6 * DAY);
    on.accept(&older).await;
    on.store.retain(keep(DAY, HOUR, 100)).await.expect("retains");
    assert!(there(&mut sql).await, "an open job may still want it");
    on.cancel(Target::Job(older.id)).await;
    sql.execute("DELETE FROM spool.jobs").await.expect("as if it were gone");
    on.store.retain(keep(30 * DAY, HOUR, 100)).await.expect("retains");
    assert!(there(&mut sql).await, "it is young");
    on.store.retain(keep(DAY, HOUR, 100)).await.expect("retains");
    assert!(!there(&mut sql).await);
}
