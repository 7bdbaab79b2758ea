//! Cases of PostgreSQL alone.

mod crashes;
mod dispatch_cursors;
mod schema;
mod sessions;
mod writers;

use std::sync::Arc;

use backing::store::postgres::{self, PgOptions};
use sqlx::{Connection, PgConnection};

use super::{database::Database, fixture::StoreFixture};

/// A new store, a connection that reads its tables, and the URL of its database.
async fn new_store() -> (StoreFixture, PgConnection, String) {
    let database = Database::new().await;
    let url = database.url();
    let store = postgres::connect(&url, PgOptions::default()).await.expect("a new store opens");
    let sql = PgConnection::connect(&url).await.expect("connects");
    (StoreFixture::new(Arc::new(store), database), sql, url)
}

/// The number that a query returns.
async fn number(sql: &mut PgConnection, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(sql).await.expect("answers")
}
