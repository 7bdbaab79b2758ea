//! Fresh stores of each adapter. No other module of the suite knows an adapter.

use std::sync::Arc;

use backing::store::{
    postgres::{self, PgOptions},
    sqlite::SqliteStore,
};

use super::{database::Database, fixture::StoreFixture};

/// A store in a folder that is removed with the test.
pub async fn sqlite() -> StoreFixture {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store =
        SqliteStore::open(&folder.path().join("spool.db")).await.expect("a new store opens");
    StoreFixture::new(Arc::new(store), folder)
}

/// A store in a database that is dropped with the test.
pub async fn postgres() -> StoreFixture {
    let database = Database::new().await;
    let store =
        postgres::connect(&database.url(), PgOptions::default()).await.expect("a new store opens");
    StoreFixture::new(Arc::new(store), database)
}
