//! Which artifacts are still named; triggers keep it (0023).

use std::time::Duration;

use async_trait::async_trait;
use common::{
    id::Digest,
    port::{PortResult, named::NamedArtifacts},
};

use super::{
    PgStore,
    column::{Cells, bytes, millis},
    effects::list,
    fault::unreadable,
};

#[async_trait]
impl NamedArtifacts for PgStore {
    async fn unnamed(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>> {
        let hashes: Vec<Vec<u8>> = artifacts.iter().copied().map(bytes).collect();
        let query = sqlx::query("SELECT spool.unnamed($1, $2)").bind(hashes).bind(millis(quiet));
        let row = self.work(query.fetch_one(&self.work)).await?;
        let unnamed: Vec<Vec<u8>> = list(&mut Cells::of(&row))?;
        let read = |hash: Vec<u8>| {
            hash.as_slice().try_into().map(Digest).map_err(|_| unreadable("unnamed_artifacts.hash", hash.len()))
        };
        unnamed.into_iter().map(read).collect()
    }

    async fn forget_unnamed(&self, artifacts: &[Digest]) -> PortResult<()> {
        let hashes: Vec<Vec<u8>> = artifacts.iter().copied().map(bytes).collect();
        let query = sqlx::query("DELETE FROM spool.unnamed_artifacts WHERE hash = ANY ($1)").bind(hashes);
        self.work(query.execute(&self.work)).await.map(drop)
    }
}
