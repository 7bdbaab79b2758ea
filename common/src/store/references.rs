//! References to artifacts, by memos and by jobs that are still stored.

use std::time::Duration;

use async_trait::async_trait;

use crate::{id::Digest, port::PortResult};

/// The references to artifacts.
#[async_trait]
pub trait ArtifactReferences: Send + Sync + 'static {
    /// The artifacts of these that no memo and no job has referenced for `quiet`, by the store's
    /// clock. The time counts from the first call that found it unreferenced, so the first call
    /// never returns it.
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>>;

    /// Forgets since when these were unreferenced, after their files were removed.
    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()>;

    /// The artifacts of memos whose hash begins with `first`, each once.
    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>>;

    /// Forgets the memos that reference any of these artifacts, whose files are lost. The next task
    /// with such a key runs. Returns how many memos went.
    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64>;
}
