//! Which artifacts are still named; triggers keep it (0008).

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::Digest,
    port::{PortResult, named::NamedArtifacts},
};

use super::{SqliteStore, column, fault::port, write::Write};

#[async_trait]
impl NamedArtifacts for SqliteStore {
    async fn unnamed(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        let before = write.now.saturating_sub(column::millis(quiet));
        let mut unnamed = Vec::new();
        for hash in artifacts {
            if write.unnamed_since(hash).await?.is_some_and(|since| since <= before) {
                unnamed.push(*hash);
            }
        }
        write.commit().await?;
        Ok(unnamed)
    }

    async fn forget_unnamed(&self, artifacts: &[Digest]) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        let mut write = Write::begin(&mut writer, self.now()).await?;
        for hash in artifacts {
            write.name(hash).await?;
        }
        write.commit().await.map(drop)
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
            "INSERT INTO unnamed_artifacts (hash, since) VALUES (?, ?)
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
        sqlx::query("DELETE FROM unnamed_artifacts WHERE hash = ?")
            .bind(hash.0.as_slice())
            .execute(self.sql())
            .await
            .map_err(port)?;
        Ok(())
    }
}
