//! Fresh stores of each adapter. No other module of the suite knows an adapter.

use std::sync::Arc;

use backing::store::{
    postgres::{self, PgOptions},
    sqlite::SqliteStore,
};

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use super::{
    database::Database,
    fixture::{Damage, StoreFixture},
};

/// A store in a folder that is removed with the test.
pub async fn sqlite() -> StoreFixture {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("spool.db");
    let store = SqliteStore::open(&path).await.expect("a new store opens");
    let documents =
        ["inputs.input", "tasks.output", "jobs.metadata", "refused_items.error", "schedules.job"];
    let damage: Damage = Arc::new(move || {
        let options = SqliteConnectOptions::new().filename(&path);
        Box::pin(async move {
            let mut sql = SqliteConnection::connect_with(&options).await.expect("connects");
            for statement in documents.map(damage_of) {
                sql.execute(AssertSqlSafe(statement)).await.expect("writes");
            }
        })
    });
    StoreFixture::new(Arc::new(store), folder).with_damage(damage)
}

/// A store in a database that is dropped with the test.
pub async fn postgres() -> StoreFixture {
    let database = Database::new().await;
    let url = database.url();
    let store = postgres::connect(&url, PgOptions::default()).await.expect("a new store opens");
    let documents =
        ["jobs.input", "history.output", "jobs.metadata", "refused_items.error", "schedules.job"];
    let damage: Damage = Arc::new(move || {
        let url = url.clone();
        Box::pin(async move {
            let mut sql = PgConnection::connect(&url).await.expect("connects");
            for document in documents {
                let statement = damage_of(&format!("spool.{document}"));
                sql.execute(AssertSqlSafe(statement)).await.expect("writes");
            }
        })
    });
    StoreFixture::new(Arc::new(store), database).with_damage(damage)
}

/// The statement that damages a column (`table.column`) where it holds the word "poison".
fn damage_of(document: &str) -> String {
    let (table, column) = document.rsplit_once('.').expect("a table and a column");
    format!("UPDATE {table} SET {column} = '[' || {column} WHERE {column} LIKE '%poison%'")
}
