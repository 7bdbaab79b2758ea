//! Cases of PostgreSQL alone: lock order, migrations, partitions, and the state that a crash leaves
//! between two statements.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backing::store::{
    postgres::{self, PgOptions},
    reason,
};
use common::{
    error::JobError,
    id::{Fence, WorkerId},
    outcome::{Settlement, Verdict},
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    store::{Dispatch, Heartbeat, Leases, Retention, Target, WorkerRegistration},
    submission::{NewBatch, NewJob, Work},
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use crate::proxy::Proxy;

use super::{
    builders::{batch, equal, grown, job, only, plan, step, succeeded, tasks},
    database::Database,
    fixture::{BOUND, POLICY, SHORT, StoreFixture},
};

/// A store, and a connection that reads its tables.
async fn place() -> (StoreFixture, PgConnection, String) {
    let database = Database::new().await;
    let url = database.url();
    let store = postgres::connect(&url, PgOptions::default()).await.expect("a new store opens");
    let sql = PgConnection::connect(&url).await.expect("connects");
    (StoreFixture::new(Arc::new(store), database), sql, url)
}

async fn number(sql: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(sql).await.expect("answers")
}

#[tokio::test]
async fn errors_written_in_sql_match_the_words_of_reason() {
    let (_on, mut sql, _) = place().await;
    for (query, wanted) in [
        ("SELECT spool.cancelled_error()", reason::cancelled()),
        ("SELECT spool.without_result_error()", reason::without_result()),
        ("SELECT spool.need_failed_error(E'a \"b\" \\\\ c')", reason::need_failed("a \"b\" \\ c")),
    ] {
        let text: String = sqlx::query_scalar(query).fetch_one(&mut sql).await.expect("answers");
        let error: JobError = serde_json::from_str(&text).expect("an error");
        assert_eq!(error, wanted);
    }
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_a_newer_schema_is_refused_in_one_sentence() {
    let (on, mut sql, url) = place().await;
    assert_eq!(postgres::migrate(&url).await, Ok(0));
    on.store.check().await.expect("it is up to date");
    sql.execute(
        "INSERT INTO spool.migrations (name, checksum, applied_at)
             VALUES ('schema/9999_later.sql', 'later', now()),
                    ('functions/leases/claim.sql', 'later', now())",
    )
    .await
    .expect("inserts");
    on.store.check().await.expect("an additive migration of a newer program does no harm");
    assert_eq!(postgres::migrate(&url).await, Ok(0), "the newer functions stay");
    sql.execute("UPDATE spool.schema_major SET major = 2").await.expect("updates");
    let refused = on.store.check().await.expect_err("too new").to_string();
    assert!(refused.contains("version 2") && refused.contains("run a newer spool"), "{refused}");
    let refused = postgres::migrate(&url).await.expect_err("too new").to_string();
    assert!(refused.contains("version 2"), "{refused}");
}

#[tokio::test]
async fn a_changed_function_is_applied_again_and_an_edited_schema_file_is_refused() {
    let (on, mut sql, url) = place().await;
    for (change, applied) in [
        (
            "UPDATE spool.migrations SET checksum = 'old'
             WHERE name = 'functions/leases/claim.sql'",
            1,
        ),
        ("DELETE FROM spool.migrations WHERE name LIKE 'functions/reads/%'", 10),
    ] {
        sql.execute(change).await.expect("changes");
        let refused = on.store.check().await.expect_err("not up to date").to_string();
        assert!(refused.contains("run `spool migrate`"), "{refused}");
        assert_eq!(postgres::migrate(&url).await, Ok(applied), "{change}");
        on.store.check().await.expect("it is up to date");
    }
    sql.execute("UPDATE spool.migrations SET checksum = 'old' WHERE name LIKE 'schema/%'")
        .await
        .expect("changes");
    let refused = postgres::migrate(&url).await.expect_err("edited").to_string();
    assert!(refused.contains("schema/0001_baseline.sql was edited"), "{refused}");
}

#[tokio::test]
async fn a_database_of_the_old_numbering_is_refused_in_one_sentence() {
    let (on, mut sql, url) = place().await;
    sql.execute("DROP TABLE spool.migrations").await.expect("drops");
    for refused in [postgres::migrate(&url).await.map(drop), on.store.check().await] {
        let refused = refused.expect_err("old").to_string();
        assert!(refused.contains("before the first release"), "{refused}");
    }
}

/// Functions whose plans need no settings, as they read no table that grows.
const WITHOUT_SETTINGS: &[&str] =
    &["count_ended", "enter_epoch", "record_ready", "record_ready_again", "traces_of"];

#[tokio::test]
async fn every_plpgsql_function_carries_the_planner_settings_that_it_needs() {
    let (_on, mut sql, _) = place().await;
    let unset = "SELECT p.proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = 'spool'::regnamespace AND l.lanname = 'plpgsql'
            AND NOT coalesce(p.proconfig, '{}') @> ARRAY['plan_cache_mode=force_generic_plan',
                'enable_seqscan=off', 'enable_bitmapscan=off', 'enable_sort=off', 'jit=off']
        ORDER BY 1";
    let unset: Vec<String> = sqlx::query_scalar(unset).fetch_all(&mut sql).await.expect("reads");
    assert_eq!(unset, WITHOUT_SETTINGS);
}

#[tokio::test]
async fn a_database_without_a_schema_says_to_migrate() {
    let (_on, mut sql, url) = place().await;
    sql.execute("DROP SCHEMA spool CASCADE").await.expect("drops");
    let refused =
        postgres::connect(&url, PgOptions::default()).await.expect_err("no schema").to_string();
    assert!(refused.contains("run `spool migrate`"), "{refused}");
    assert!(postgres::migrate(&url).await.expect("migrates") > 0);
    postgres::connect(&url, PgOptions::default()).await.expect("connects");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let refused =
        postgres::connect("postgres://nobody@127.0.0.1:1/none", PgOptions::default()).await;
    assert!(refused.expect_err("nothing listens there").is_transient());
}

#[tokio::test]
async fn a_waiter_left_undecided_by_a_crash_is_decided_by_the_sweep() {
    let (on, mut sql, _) = place().await;
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
    let (on, mut sql, _) = place().await;
    let items = NewBatch { stop_on_error: true, ..batch(&[job(), job(), job()]) };
    on.accept_batch(&items).await;
    sql.execute("UPDATE spool.batches SET stopping = true").await.expect("updates");
    on.store.sweep(POLICY).await.expect("sweeps");
    assert_eq!(on.batch(&items).await.rejected, 3);
    assert_eq!(number(&mut sql, "SELECT count(*) FROM spool.batches WHERE stopping").await, 0);
}

#[tokio::test]
async fn the_history_of_days_without_jobs_is_dropped_as_a_whole() {
    let (on, mut sql, _) = place().await;
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
    let (on, mut sql, _) = place().await;
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
    let (on, mut sql, _) = place().await;
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

/// Work of every shape: single jobs, batches (some with a limit, some that stop), plans, growth,
/// shared outputs.
async fn varied_work(on: &StoreFixture) -> Vec<NewBatch> {
    let mut batches = Vec::new();
    for index in 0..6 {
        let shared = json!({ "shared": index % 2 });
        let jobs: Vec<NewJob> = vec![
            job(),
            job(),
            equal(shared.clone()),
            equal(shared.clone()),
            plan(&[
                step("a"),
                step("b").after("a"),
                step("c").despite("a"),
                step("end").after("b").after("c").result(),
            ]),
            plan(&[step("a").memo(shared.clone()), step("end").after("a").memo(shared).result()]),
            plan(&[step("a"), step("grows").after("a").result()]),
        ];
        let items = NewBatch {
            max_concurrent: (index % 3 == 0).then_some(2),
            stop_on_error: index % 4 == 3,
            ..batch(&jobs)
        };
        on.accept_batch(&items).await;
        batches.push(items);
    }
    batches
}

fn verdict(task: &common::store::Claimed, chance: u64) -> Verdict {
    let error = || JobError::transient("x", "a test wants it");
    match chance % 10 {
        0 => Verdict::Failed(error()),
        1 => Verdict::Retry { error: error(), pause: Duration::from_millis(chance % 3) },
        _ if task.name == "grows" => {
            let more = tasks(task.task.0, &[step("part"), step("end").after("part").result()]);
            grown(json!(1), more)
        }
        _ => succeeded(json!(chance % 4)),
    }
}

/// A pseudo-random generator that returns the same numbers in every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

async fn work_until(on: StoreFixture, seed: u64, over: Arc<AtomicBool>) {
    let (worker, mut chance) = (WorkerId::new(), seed);
    while !over.load(Ordering::Relaxed) {
        let messages = on.dispatch().await;
        let (queued, _) = on.store.overdue(Queue::Light, Duration::ZERO, 20).await.expect("reads");
        let ids: Vec<_> = messages.iter().chain(&queued).map(|message| message.task).collect();
        let lease =
            if next(&mut chance).is_multiple_of(5) { SHORT } else { Duration::from_secs(10) };
        let claimed: Vec<_> = on
            .store
            .claim(worker, &ids, lease)
            .await
            .expect("claims")
            .into_iter()
            .flatten()
            .collect();
        let fences: Vec<(_, Fence)> = claimed.iter().map(|one| (one.task, one.fence)).collect();
        match next(&mut chance) % 8 {
            0 => drop(on.store.release(worker, &fences).await.expect("releases")),
            // Left to the sweep, if the lease is short.
            1 if lease == SHORT => {}
            _ => {
                let settle = |one: &common::store::Claimed| Settlement {
                    task: one.task,
                    fence: one.fence,
                    verdict: verdict(one, next(&mut chance)),
                };
                let settlements = claimed.iter().rev().map(settle).collect();
                on.store.settle(worker, settlements).await.expect("settles");
            }
        }
    }
}

async fn cancel_and_retry_at_random(
    on: StoreFixture,
    batches: Vec<NewBatch>,
    seed: u64,
    over: Arc<AtomicBool>,
) {
    let mut chance = seed;
    while !over.load(Ordering::Relaxed) {
        let items = &batches[next(&mut chance) as usize % batches.len()];
        match next(&mut chance) % 4 {
            0 => drop(on.store.cancel(&on.tenant, Target::Batch(items.id)).await.expect("cancels")),
            1 | 2 => {
                drop(on.store.retry(&on.tenant, Target::Batch(items.id)).await.expect("retries"))
            }
            _ => drop(on.store.sweep(POLICY).await.expect("sweeps")),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_shared_jobs_and_batches_never_deadlock_and_counters_add_up() {
    let (on, mut sql, _) = place().await;
    let batches = varied_work(&on).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut random_batch = JoinSet::new();
    for seed in 0..4 {
        random_batch.spawn(work_until(on.clone(), seed, over.clone()));
    }
    for seed in 4..7 {
        random_batch.spawn(cancel_and_retry_at_random(
            on.clone(),
            batches.clone(),
            seed,
            over.clone(),
        ));
    }
    // Enough for some thousand writes. The assertions hold however many there are.
    let enough = tokio::time::timeout(Duration::from_secs(4), random_batch.join_next()).await;
    assert!(enough.is_err(), "no task ends before the time is over: {enough:?}");
    over.store(true, Ordering::Relaxed);
    random_batch.join_all().await;

    check_counters(&mut sql).await;
    drain(&on).await;
    check_counters(&mut sql).await;
    for table in ["SELECT count(*) FROM spool.tasks", "SELECT count(*) FROM spool.edges"] {
        assert_eq!(number(&mut sql, table).await, 0, "{table}");
    }
    for items in &batches {
        assert_eq!(on.batch(items).await.pending(), 0);
    }
    sql.execute("SELECT pg_stat_force_next_flush()").await.expect("asks");
    assert_eq!(
        number(
            &mut sql,
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        .await,
        0
    );
}

/// Runs all remaining tasks successfully.
async fn drain(on: &StoreFixture) {
    on.until(async || {
        on.store.sweep(POLICY).await.expect("sweeps");
        let ids: Vec<_> = on.dispatch().await.iter().map(|message| message.task).collect();
        let (queued, _) =
            on.store.overdue(Queue::Light, Duration::ZERO, 1_000).await.expect("reads");
        let ids: Vec<_> =
            ids.into_iter().chain(queued.iter().map(|message| message.task)).collect();
        let claimed = on.store.claim(on.worker, &ids, SHORT * 100).await.expect("claims");
        let settle = |one: common::store::Claimed| Settlement {
            task: one.task,
            fence: one.fence,
            verdict: succeeded(json!(1)),
        };
        on.store
            .settle(on.worker, claimed.into_iter().flatten().map(settle).collect())
            .await
            .expect("settles");
        let open = on.store.demand(Queue::Light).await.expect("reads");
        let mut pending = 0;
        let filter = common::store::JobFilter::default();
        let page = on.store.list(&on.tenant, &filter, None, 1_000).await.expect("lists");
        for view in &page.items {
            pending += u32::from(matches!(view.status, JobStatus::Queued | JobStatus::Running));
        }
        (open.waiting + open.running == 0 && pending == 0).then_some(())
    })
    .await;
}

async fn check_counters(sql: &mut PgConnection) {
    for (what, query) in [
        (
            "open tasks of jobs",
            "SELECT count(*) FROM spool.jobs j
             WHERE j.open_tasks <> (SELECT count(*) FROM spool.tasks t WHERE t.job = j.id)",
        ),
        (
            "settled tasks of plans by kind",
            "SELECT count(*) FROM spool.plan_kinds k
             WHERE k.settled <> (SELECT count(*) FROM spool.history h
                                 WHERE h.job = k.job AND h.kind = k.kind AND NOT h.superseded)",
        ),
        (
            "items of batches",
            "SELECT count(*) FROM spool.batches b
             WHERE b.fulfilled <> (SELECT count(*) FROM spool.jobs j
                                   WHERE j.batch = b.id AND j.status = 'succeeded')
                OR b.rejected <> (SELECT count(*) FROM spool.jobs j
                                  WHERE j.batch = b.id AND j.unsuccessful)",
        ),
        (
            "needs left",
            "SELECT count(*) FROM spool.tasks t
             WHERE t.needs_left <> (SELECT count(*) FROM spool.edges e WHERE e.task = t.id)",
        ),
    ] {
        assert_eq!(number(sql, query).await, 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_go_half_open_under_their_statements_are_replaced() {
    let database = Database::new().await;
    let url = database.url();
    let address =
        url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let proxy = Proxy::to(address.parse().expect("an address")).await;
    let brief = Duration::from_secs(2);
    // One connection of each kind: a larger pool may have any number open, and give any of them.
    let options = PgOptions { connections: 1, statement_timeout: brief, acquire_timeout: brief };
    let url = url.replace(address, &format!("127.0.0.1:{}", proxy.port));
    let store = Arc::new(postgres::connect(&url, options).await.expect("a store"));
    let registration = WorkerRegistration {
        worker: WorkerId::new(),
        name: "w".into(),
        slots: Vec::new(),
        draining: false,
        kinds: Vec::new(),
    };
    let ask = async || {
        tokio::join!(store.demand(Queue::Light), store.heartbeat(&registration, &[], SHORT))
    };
    let well = async || while !matches!(ask().await, (Ok(_), Ok(_))) {};
    tokio::time::timeout(BOUND, well()).await.expect("a busy machine connects, too");
    // New connections are refused too: a pool that pings an idle connection would replace it at
    // once.
    proxy.refuse(true);
    proxy.freeze();
    assert!(matches!(ask().await, (Err(_), Err(_))), "they were half open");
    proxy.refuse(false);
    tokio::time::timeout(BOUND, well()).await.expect("new ones are made in their place");
}

/// Sets something for all later sessions of a test's database.
async fn alter(sql: &mut PgConnection, setting: &str) {
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut *sql)
        .await
        .expect("answers");
    let alter = format!("ALTER DATABASE {name} {setting}");
    sql.execute(sqlx::AssertSqlSafe(alter)).await.expect("is set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defaults_of_a_database_change_nothing() {
    let database = Database::new().await;
    let url = database.url();
    let mut sql = PgConnection::connect(&url).await.expect("connects");
    sql.execute("DROP SCHEMA spool CASCADE").await.expect("an empty database");
    for setting in [
        // As if the user was called `spool`: its schema comes first, and exists after the first
        // migration only.
        "SET search_path = spool, public",
        "SET default_transaction_isolation = serializable",
        "SET lock_timeout = 1",
        "SET standard_conforming_strings = off",
    ] {
        alter(&mut sql, setting).await;
    }
    assert!(postgres::migrate(&url).await.expect("migrates") > 0);
    assert_eq!(postgres::migrate(&url).await.expect("migrates"), 0, "nothing is left to do");
    let store = postgres::connect(&url, PgOptions::default()).await.expect("a store");
    let on = StoreFixture::new(Arc::new(store), database);
    on.store.check().await.expect("is content");
    let one = batch(&(0..40).map(|_| job()).collect::<Vec<_>>());
    on.accept_batch(&one).await;
    let (dispatched, cancelled, swept) = tokio::join!(
        on.store.dispatch(Queue::Light, 100, 100),
        on.store.cancel(&on.tenant, Target::Batch(one.id)),
        on.store.sweep(POLICY),
    );
    dispatched.expect("dispatches");
    cancelled.expect("cancels");
    swept.expect("sweeps");
    let names = "SELECT count(*) FROM pg_tables WHERE tablename = 'migrations'
                 AND schemaname <> 'spool'";
    assert_eq!(number(&mut sql, names).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_a_server_that_takes_no_writes_are_replaced() {
    let (on, mut sql, url) = place().await;
    on.accept(&job()).await;
    // Sessions become read-only as they are used, like those of a primary that is demoted.
    let clock: String =
        sqlx::query_scalar("SELECT pg_get_functiondef('spool.now_ms()'::regprocedure)")
            .fetch_one(&mut sql)
            .await
            .expect("reads");
    sql.execute(
        "CREATE OR REPLACE FUNCTION spool.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
         $$ SELECT set_config('default_transaction_read_only', 'on', false);
            SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$",
    )
    .await
    .expect("is replaced");
    alter(&mut sql, "SET default_transaction_read_only = on").await;
    while on.try_accept(vec![on.submission(Work::Job(job()))]).await.is_ok() {}
    let refused = postgres::connect(&url, PgOptions::default()).await.expect_err("refused");
    assert!(refused.to_string().contains("the server takes no writes"), "{refused}");

    // The name leads to the new primary: connections made from now on take writes.
    sql.execute("SET default_transaction_read_only = off").await.expect("this one may");
    sql.execute(sqlx::AssertSqlSafe(clock)).await.expect("is restored");
    alter(&mut sql, "RESET default_transaction_read_only").await;
    on.until(async || {
        on.try_accept(vec![on.submission(Work::Job(job()))]).await.is_ok().then_some(())
    })
    .await;
    for _ in 0..2 * PgOptions::default().connections {
        on.accept(&job()).await;
    }
}
