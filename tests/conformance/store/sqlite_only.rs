//! Tests of SQLite alone: opening a file, and the state of its schema.

use std::path::{Path, PathBuf};

use backing::store::sqlite::SqliteStore;
use common::{
    id::{JobId, TenantId},
    store::{Reads, Submissions, Upkeep},
    submission::{Submission, Work},
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::builders::batch;

/// The path of a store that was opened once.
async fn new_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spool.db");
    drop(SqliteStore::open(&path).await.expect("a new file opens"));
    (folder, path)
}

async fn write(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut file = SqliteConnection::connect_with(&options).await.expect("connects");
    sqlx::raw_sql(statement).execute(&mut file).await.expect("writes");
    file.close().await.expect("closes");
}

#[tokio::test]
async fn a_newer_schema_is_refused_in_one_sentence() {
    let (_folder, path) = new_file().await;
    let store = SqliteStore::open(&path).await.expect("opens");
    write(&path, "UPDATE schema_major SET major = major + 1").await;
    for refused in [store.check().await, SqliteStore::open(&path).await.map(drop)] {
        let refused = refused.expect_err("its schema is not known").to_string();
        let says = refused.contains("version 2") && refused.contains("run a newer spool");
        assert!(says, "{refused}");
    }
}

#[tokio::test]
async fn a_file_of_the_old_numbering_is_refused_in_one_sentence() {
    let (_folder, path) = new_file().await;
    let store = SqliteStore::open(&path).await.expect("opens");
    write(&path, "DROP TABLE migrations").await;
    for refused in [store.check().await, SqliteStore::open(&path).await.map(drop)] {
        let refused = refused.expect_err("it is too old").to_string();
        assert!(refused.contains("before the first release"), "{refused}");
    }
}

#[tokio::test]
async fn an_edited_schema_file_is_refused() {
    let (_folder, path) = new_file().await;
    write(&path, "UPDATE migrations SET checksum = 'old'").await;
    let refused = SqliteStore::open(&path).await.expect_err("edited").to_string();
    assert!(refused.contains("schema/0001_baseline.sql was edited"), "{refused}");
}

#[tokio::test]
async fn a_file_with_a_later_migration_of_the_same_major_opens() {
    let (_folder, path) = new_file().await;
    let later = "ALTER TABLE jobs ADD COLUMN later TEXT;
        INSERT INTO migrations (name, checksum, applied_at)
        VALUES ('schema/9999_later.sql', 'later', 0)";
    write(&path, later).await;
    SqliteStore::open(&path).await.expect("opens").check().await.expect("in order");
}

#[tokio::test]
async fn a_new_file_may_be_opened_by_many_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spool.db");
    let stores = futures::future::join_all((0..6).map(|_| SqliteStore::open(&path))).await;
    for store in stores {
        store.expect("opens").check().await.expect("in order");
    }
}

#[tokio::test]
async fn a_path_that_can_not_be_opened_is_named() {
    let refused = SqliteStore::open(Path::new("/nowhere/spool.db"))
        .await
        .expect_err("no such folder")
        .to_string();
    assert!(refused.contains("/nowhere/spool.db"), "{refused}");
}

#[tokio::test]
async fn stored_rows_are_there_after_a_restart() {
    let (_folder, path) = new_file().await;
    let (tenant, batch) = (TenantId::default(), batch(&[]));
    let store = SqliteStore::open(&path).await.expect("opens");
    let work = Work::Batch(batch.clone());
    let submission = Submission { tenant: tenant.clone(), idempotency: None, work };
    store.accept(vec![submission], &[]).await.expect("accepts");
    drop(store);
    let store = SqliteStore::open(&path).await.expect("opens again");
    assert!(store.batch(&tenant, batch.id).await.expect("reads").is_some());
    assert_eq!(store.jobs(&tenant, &[JobId::new()]).await.expect("reads"), [None]);
}
