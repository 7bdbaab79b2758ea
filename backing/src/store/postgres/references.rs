//! The references to artifacts, which triggers of the database count.

use std::time::Duration;

use async_trait::async_trait;
use common::{id::Digest, port::PortResult, store::ArtifactReferences};

use super::{
    PgStore,
    column::{Cells, bytes, millis},
    errors::unreadable,
};

#[async_trait]
impl ArtifactReferences for PgStore {
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        let hashes: Vec<Vec<u8>> = artifacts.iter().copied().map(bytes).collect();
        let query =
            sqlx::query("SELECT spool.unreferenced($1, $2)").bind(hashes).bind(millis(quiet));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let unreferenced: Vec<Vec<u8>> = Cells::of(&row).list()?;
        unreferenced.iter().map(|hash| digest(hash)).collect()
    }

    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()> {
        let hashes: Vec<Vec<u8>> = artifacts.iter().copied().map(bytes).collect();
        let query = sqlx::query("DELETE FROM spool.unreferenced_artifacts WHERE hash = ANY ($1)")
            .bind(hashes);
        self.work(query.execute(&self.work)).await.map(drop)
    }

    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>> {
        let query = sqlx::query(
            "SELECT ARRAY(SELECT DISTINCT a.hash FROM spool.memo_artifacts a
                 WHERE a.hash BETWEEN $1 AND $2 ORDER BY a.hash)",
        );
        let (from, to) = (vec![first], [&[first][..], &[u8::MAX; 31]].concat());
        let row = self.work(query.bind(from).bind(to).fetch_one(&self.work)).await?;
        let remembered: Vec<Vec<u8>> = Cells::of(&row).list()?;
        remembered.iter().map(|hash| digest(hash)).collect()
    }

    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64> {
        let hashes: Vec<Vec<u8>> = artifacts.iter().copied().map(bytes).collect();
        // A row that another transaction holds is in use or being deleted: waiting for it in no
        // known order could deadlock.
        let query = sqlx::query(
            "DELETE FROM spool.memos m WHERE (m.tenant, m.key) IN (
                 SELECT x.tenant, x.key FROM spool.memos x
                 JOIN spool.memo_artifacts a ON a.tenant = x.tenant AND a.key = x.key
                 WHERE a.hash = ANY ($1) FOR UPDATE OF x SKIP LOCKED)",
        );
        let gone = self.work(query.bind(hashes).execute(&self.work)).await?;
        Ok(gone.rows_affected())
    }
}

fn digest(hash: &[u8]) -> PortResult<Digest> {
    hash.try_into().map(Digest).map_err(|_| unreadable("artifacts.hash", hash.len()))
}
