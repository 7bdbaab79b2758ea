//! Which artifacts are still named; triggers keep it (0008).

use std::time::Duration;

use async_trait::async_trait;
use common::{id::Digest, port::PortResult, store::ArtifactReferences};

use super::{SqliteStore, column, fault::port, write::Write};

#[async_trait]
impl ArtifactReferences for SqliteStore {
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let before = write.now.saturating_sub(column::millis(quiet));
        let mut unreferenced = Vec::new();
        for hash in artifacts {
            if write.unnamed_since(hash).await?.is_some_and(|since| since <= before) {
                unreferenced.push(*hash);
            }
        }
        write.commit().await?;
        Ok(unreferenced)
    }

    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        for hash in artifacts {
            write.name(hash).await?;
        }
        write.commit().await.map(drop)
    }

    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>> {
        let hashes: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT DISTINCT hash FROM memo_artifacts WHERE hash BETWEEN ? AND ? ORDER BY hash",
        )
        .bind(vec![first])
        .bind([&[first][..], &[u8::MAX; 31]].concat())
        .fetch_all(&self.readers)
        .await
        .map_err(port)?;
        // What is no hash names nothing.
        Ok(hashes.iter().filter_map(|hash| hash.as_slice().try_into().ok().map(Digest)).collect())
    }

    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let mut forgotten = 0;
        for hash in artifacts {
            let gone = sqlx::query(
                "DELETE FROM memos WHERE (tenant, key) IN (SELECT tenant, key FROM memo_artifacts WHERE hash = ?)",
            );
            forgotten += gone
                .bind(hash.0.as_slice())
                .execute(write.sql())
                .await
                .map_err(port)?
                .rows_affected();
        }
        write.commit().await?;
        Ok(forgotten)
    }
}

impl Write<'_> {
    /// Since when nobody names an artifact, as of now at the latest; `None` if somebody does.
    async fn unnamed_since(&mut self, hash: &Digest) -> PortResult<Option<i64>> {
        let named: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM job_artifacts WHERE hash = ?1) OR EXISTS (SELECT 1 FROM memo_artifacts WHERE hash = ?1)",
        )
        .bind(hash.0.as_slice())
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        if named {
            self.name(hash).await?;
            return Ok(None);
        }
        let since = sqlx::query_scalar(
            "INSERT INTO unreferenced_artifacts (hash, since) VALUES (?, ?)
             ON CONFLICT (hash) DO UPDATE SET since = since RETURNING since",
        )
        .bind(hash.0.as_slice())
        .bind(self.now)
        .fetch_one(self.sql())
        .await
        .map_err(port)?;
        Ok(Some(since))
    }

    async fn name(&mut self, hash: &Digest) -> PortResult<()> {
        sqlx::query("DELETE FROM unreferenced_artifacts WHERE hash = ?")
            .bind(hash.0.as_slice())
            .execute(self.sql())
            .await
            .map_err(port)?;
        Ok(())
    }
}
