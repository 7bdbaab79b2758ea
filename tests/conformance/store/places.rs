//! Where fresh stores come from: the only place of the suite that names an adapter.

use std::sync::Arc;

use backing::store::sqlite::SqliteStore;

use super::subject::Subject;

/// A store in a folder that goes away with the test.
pub async fn sqlite() -> Subject {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(&folder.path().join("spool.db")).await.expect("a new store opens");
    Subject::new(Arc::new(store), folder)
}
