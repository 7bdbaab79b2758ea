//! References to artifacts, which triggers of the schema keep.

use std::time::Duration;

use async_trait::async_trait;
use common::{id::Digest, port::PortResult, store::ArtifactReferences};
use sqlx::SqliteConnection;

use super::{SqliteStore, column, transaction::Transaction};

#[async_trait]
impl ArtifactReferences for SqliteStore {
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        let mut tx = self.write().await?;
        let before = tx.now.saturating_sub(column::millis(quiet));
        let mut unreferenced = Vec::new();
        for hash in artifacts {
            if unreferenced_since(&mut tx, hash).await?.is_some_and(|since| since <= before) {
                unreferenced.push(*hash);
            }
        }
        tx.end().await?;
        Ok(unreferenced)
    }

    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()> {
        let mut tx = self.write().await?;
        for hash in artifacts {
            forget(tx.sql(), hash).await?;
        }
        tx.end().await
    }

    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>> {
        let last = [&[first][..], &[u8::MAX; 31]].concat();
        let hashes: Vec<Vec<u8>> = values!(&self.readers,
            "SELECT DISTINCT hash FROM memo_artifacts WHERE hash BETWEEN ? AND ? ORDER BY hash";
            vec![first], last)?;
        // A text that is no hash references nothing.
        Ok(hashes.iter().filter_map(|hash| hash.as_slice().try_into().ok().map(Digest)).collect())
    }

    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64> {
        let mut tx = self.write().await?;
        let mut forgotten = 0;
        for hash in artifacts {
            forgotten += execute!(tx.sql(),
                "DELETE FROM memos WHERE (tenant, key) IN
                     (SELECT tenant, key FROM memo_artifacts WHERE hash = ?)";
                hash.0.as_slice())?;
        }
        tx.end().await?;
        Ok(forgotten)
    }
}

/// The time since which an artifact is unreferenced, which is now if it was not known before;
/// `None` if a job or a memo references it.
async fn unreferenced_since(tx: &mut Transaction, hash: &Digest) -> PortResult<Option<i64>> {
    let referenced: bool = value!(tx.sql(),
        "SELECT EXISTS (SELECT 1 FROM job_artifacts WHERE hash = ?1)
             OR EXISTS (SELECT 1 FROM memo_artifacts WHERE hash = ?1)";
        hash.0.as_slice())?;
    if referenced {
        forget(tx.sql(), hash).await?;
        return Ok(None);
    }
    value!(tx.sql(),
        "INSERT INTO unreferenced_artifacts (hash, since) VALUES (?, ?)
         ON CONFLICT (hash) DO UPDATE SET since = since RETURNING since";
        hash.0.as_slice(), tx.now)
    .map(Some)
}

async fn forget(sql: &mut SqliteConnection, hash: &Digest) -> PortResult<()> {
    execute!(sql, "DELETE FROM unreferenced_artifacts WHERE hash = ?"; hash.0.as_slice()).map(drop)
}
