//! Which artifacts are still named: by a memo, or by a job that is kept.

use std::time::Duration;

use async_trait::async_trait;

use super::PortResult;
use crate::id::Digest;

/// The store of who names what.
#[async_trait]
pub trait NamedArtifacts: Send + Sync + 'static {
    /// Of these artifacts, those that no memo and no kept job has named for `quiet`, by the store's clock. Since when is known from the
    /// first call that saw it unnamed: so nothing is answered at first sight.
    async fn unnamed(&self, artifacts: &[Digest], quiet: Duration) -> PortResult<Vec<Digest>>;

    /// Forgets since when these were unnamed: they are gone.
    async fn forget_unnamed(&self, artifacts: &[Digest]) -> PortResult<()>;
}
