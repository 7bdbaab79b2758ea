//! PostgreSQL's connections while the server is frozen, slow, gone or restarted, and while callers
//! leave.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backing::{
    pools::Pooled,
    store::postgres::{self, PgOptions, PgStore},
};
use common::{
    id::TenantId,
    queue::Queue,
    store::{Dispatch, Operations, Reads, Submissions},
    submission::{NewJob, Submission, Work},
};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use crate::proxy::Proxy;

use super::{builders::job, database::Database, fixture::StoreFixture};

/// Longest wait of a client for an answer that a frozen server does not give.
const GIVEN_UP: Duration = Duration::from_secs(8);
/// Longer than it takes to find a server absent.
const SLOW: Duration = Duration::from_secs(6);
const BOUND: Duration = Duration::from_secs(30);

/// A store behind a proxy.
async fn behind_a_proxy(options: PgOptions) -> (Database, Proxy, PgStore) {
    let database = Database::new().await;
    let url = database.url();
    let address = url
        .split('@')
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .expect("an address")
        .to_owned();
    let proxy = Proxy::to(address.parse().expect("an address")).await;
    let url = url.replace(&address, &format!("127.0.0.1:{}", proxy.port));
    let store = postgres::connect(&url, options).await.expect("a store");
    (database, proxy, store)
}

/// A store on a server, and a connection beside it.
async fn place(options: PgOptions) -> (StoreFixture, Arc<PgStore>, PgConnection) {
    let database = Database::new().await;
    let url = database.url();
    let store = Arc::new(postgres::connect(&url, options).await.expect("a store"));
    let sql = PgConnection::connect(&url).await.expect("connects");
    (StoreFixture::new(store.clone(), database), store, sql)
}

fn submission(job: &NewJob) -> Submission {
    Submission { tenant: TenantId::default(), idempotency: None, work: Work::Job(job.clone()) }
}

fn in_use(store: &PgStore) -> u64 {
    store.pools()[0].in_use
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_server_are_given_up_in_seconds_and_go_through_when_it_thaws() {
    let (_database, proxy, store) = behind_a_proxy(PgOptions::default()).await;
    let one = job();
    let submit = async || store.accept(vec![submission(&one)], &[]).await.map(drop);
    let read = async || store.jobs(&TenantId::default(), &[one.id]).await.map(drop);
    let both = async || tokio::join!(submit(), read());
    assert!(matches!(both().await, (Ok(()), Ok(()))));
    proxy.silence(true);
    for _ in 0..3 {
        let began = Instant::now();
        let (submitted, found) = both().await;
        assert!(submitted.as_ref().is_err_and(|error| error.is_transient()), "{submitted:?}");
        assert!(found.as_ref().is_err_and(|error| error.is_transient()), "{found:?}");
        assert!(began.elapsed() < GIVEN_UP, "{:?}", began.elapsed());
    }
    proxy.silence(false);
    let mended = async { while !matches!(both().await, (Ok(()), Ok(()))) {} };
    timeout(BOUND, mended).await.expect("new connections are made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_answer_is_awaited_while_the_server_lives() {
    let (on, _, mut sql) = place(PgOptions::default()).await;
    let mut held = sql.begin().await.expect("begins");
    held.execute("LOCK TABLE spool.jobs IN ACCESS EXCLUSIVE MODE").await.expect("locks");
    let one = job();
    let submitting = on.store.accept(vec![submission(&one)], &[]);
    tokio::pin!(submitting);
    assert!(timeout(SLOW, &mut submitting).await.is_err(), "it waits for the lock");
    held.rollback().await.expect("rolls back");
    timeout(BOUND, submitting).await.expect("an answer").expect("accepts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_closed_by_the_server_fail_one_call_and_not_each() {
    let (_on, store, mut sql) = place(PgOptions::default()).await;
    let ask = || store.demand(Queue::Light);
    let warm = futures::future::join_all((0..8).map(|_| ask())).await;
    assert!(warm.iter().all(Result::is_ok));
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'spool'";
    let count = async |sql: &mut PgConnection| -> i64 {
        sqlx::query_scalar(open).fetch_one(sql).await.expect("counts")
    };
    assert!(count(&mut sql).await > 2, "there are several to be closed");
    sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'spool'",
    )
    .await
    .expect("closes");
    let gone = async { while count(&mut sql).await > 0 {} };
    timeout(BOUND, gone).await.expect("they are closed");
    let mut failed = 0;
    for _ in 0..16 {
        failed += u32::from(ask().await.is_err());
    }
    assert!(failed <= 1, "{failed} of 16 calls heard that the server had closed its connections");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_call_returns_its_connection_when_its_statement_ends() {
    let (_on, store, mut sql) = place(PgOptions { connections: 1, ..PgOptions::default() }).await;
    for _ in 0..5 {
        let mut held = sql.begin().await.expect("begins");
        held.execute("LOCK TABLE spool.limits IN ACCESS EXCLUSIVE MODE").await.expect("locks");
        let left = timeout(Duration::from_millis(100), store.limits()).await;
        assert!(left.is_err(), "it waits for the lock");
        assert_eq!(in_use(&store), 1, "its statement runs on");
        held.rollback().await.expect("rolls back");
        timeout(BOUND, store.limits())
            .await
            .expect("an answer")
            .expect("the one connection is there for the next");
    }
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'spool'";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&mut sql).await.expect("counts");
    assert_eq!((in_use(&store), open), (0, 1), "and it is the same one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_statement_costs_no_connection() {
    let (_on, store, mut sql) = place(PgOptions { connections: 1, ..PgOptions::default() }).await;
    let pid = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'spool'";
    let pid = async |sql: &mut PgConnection| -> i32 {
        sqlx::query_scalar(pid).fetch_one(sql).await.expect("one")
    };
    store.demand(Queue::Light).await.expect("answers");
    let before = pid(&mut sql).await;
    sql.execute("ALTER TABLE spool.limits RENAME TO unlimited").await.expect("renames");
    assert!(!store.limits().await.expect_err("no such table").is_transient());
    sql.execute("ALTER TABLE spool.unlimited RENAME TO limits").await.expect("renames");
    store.limits().await.expect("answers");
    assert_eq!(pid(&mut sql).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_says_that_no_server_listens() {
    let second = Duration::from_secs(1);
    let (_database, proxy, store) =
        behind_a_proxy(PgOptions { acquire_timeout: second, ..PgOptions::default() }).await;
    proxy.end().await;
    let began = Instant::now();
    let refused = store.demand(Queue::Light).await.expect_err("the server is absent");
    assert!(refused.is_transient() && refused.to_string().contains("refused"), "{refused}");
    assert!(began.elapsed() < BOUND);
}
