//! Which artifacts are still named: by a memo, or by a job that is kept.

use std::time::Duration;

use async_trait::async_trait;

use crate::id::Digest;
use crate::port::PortResult;

/// The store of who names what.
#[async_trait]
pub trait ArtifactReferences: Send + Sync + 'static {
    /// Of these artifacts, those that no memo and no kept job has named for `quiet`, by the store's clock. Since when is known from the
    /// first call that saw it unreferenced: so nothing is answered at first sight.
    async fn unreferenced(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>>;

    /// Forgets since when these were unreferenced: they are gone.
    async fn forget_unreferenced(&self, artifacts: &[Digest]) -> PortResult<()>;

    /// The artifacts that memos name whose hash begins with `first`, each once.
    async fn memo_artifacts(&self, first: u8) -> PortResult<Vec<Digest>>;

    /// Forgets the memos that name any of these, whose bytes are lost: the work is done again when it is asked for. Answers how many went.
    async fn forget_memos(&self, artifacts: &[Digest]) -> PortResult<u64>;
}
