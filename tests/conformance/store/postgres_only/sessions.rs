//! A session's settings and its connection, whatever the server is set to or does.

use std::{sync::Arc, time::Duration};

use backing::store::postgres::{self, PgOptions};
use common::{
    id::WorkerId,
    queue::Queue,
    store::{Dispatch, Leases, Target, WorkerRegistration},
    submission::Work,
};
use sqlx::{Connection, Executor, PgConnection};

use super::{new_store, number};
use crate::{
    proxy::Proxy,
    store::{
        builders::{batch, job},
        database::Database,
        fixture::{BOUND, POLICY, SHORT, StoreFixture},
    },
};

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
    let (on, mut sql, url) = new_store().await;
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
