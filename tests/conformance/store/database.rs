//! A PostgreSQL database for each test, copied from a template that is made once for each state of
//! the migrations.

use std::env;

use backing::store::postgres;
use common::id::Digest;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

/// A database that is dropped with the test.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Creates a database on the server of `SPOOL_DATABASE_URL`.
    pub async fn new() -> Self {
        let server = env::var("SPOOL_DATABASE_URL").expect(
            "SPOOL_DATABASE_URL is not set: run scripts/services up and \
             eval \"$(scripts/services env)\"",
        );
        let template = template(&server).await;
        let name = format!("spool_test_{}", Uuid::new_v4().simple());
        let mut sql = PgConnection::connect(&server).await.expect("the server answers");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sql.execute(AssertSqlSafe(create)).await.expect("a database is made");
        sql.close().await.expect("closes");
        Self { server, name }
    }

    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // On a thread of its own, because the test's runtime may be dropping this value.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut sql = PgConnection::connect(&server).await.expect("the server answers");
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sql.execute(AssertSqlSafe(drop)).await.expect("the database goes");
            });
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the test's database could not be dropped"
        );
    }
}

/// The template of the present migrations. Tests are separate processes: one creates it, the others
/// wait.
async fn template(server: &str) -> String {
    let name = format!("spool_template_{}", &migrations().to_string()[..16]);
    let mut sql =
        PgConnection::connect(server).await.expect("the server of SPOOL_DATABASE_URL answers");
    sql.execute("SELECT pg_advisory_lock(hashtext('spool test template'))").await.expect("locks");
    let there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut sql)
            .await
            .expect("answers");
    if !there {
        let making = format!("{name}_making");
        sql.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)")))
            .await
            .expect("clears");
        sql.execute(AssertSqlSafe(format!("CREATE DATABASE {making}")))
            .await
            .expect("a template is made");
        postgres::migrate(&with_database(server, &making)).await.expect("migrates");
        sql.execute(AssertSqlSafe(format!("ALTER DATABASE {making} RENAME TO {name}")))
            .await
            .expect("is named");
    }
    sql.close().await.expect("closes");
    name
}

fn migrations() -> Digest {
    Digest::of(format!("{:?}", postgres::migrations()).as_bytes())
}

/// The URL of another database on the same server.
fn with_database(server: &str, name: &str) -> String {
    let (place, options) = match server.split_once('?') {
        Some((place, rest)) => (place, format!("?{rest}")),
        None => (server, String::new()),
    };
    let (host, _) = place.rsplit_once('/').expect("a URL like postgres://user@host:5432/database");
    format!("{host}/{name}{options}")
}
