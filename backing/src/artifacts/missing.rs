//! Forgets memos whose artifacts are missing, so that the work is done again.
//!
//! Somebody may delete a file by hand, or restore a database without its files. An artifact is put
//! before the verdict that references it, and removed only when nothing references it; so a missing
//! one comes back only by running the task again.

use common::{
    port::{PortResult, artifacts::Artifacts},
    store::ArtifactReferences,
};

/// Forgets the memos that reference a missing artifact whose hash begins with `first`, and returns
/// their number.
///
/// # Errors
/// Those of both parts. An artifact that can't be looked up does not count as missing.
pub async fn forget_memos_of_missing(
    store: &(impl ArtifactReferences + ?Sized),
    artifacts: &(impl Artifacts + ?Sized),
    first: u8,
) -> PortResult<u64> {
    let mut missing = Vec::new();
    for hash in store.memo_artifacts(first).await? {
        if artifacts.size(&hash).await?.is_none() {
            missing.push(hash);
        }
    }
    if missing.is_empty() {
        return Ok(0);
    }
    let forgotten = store.forget_memos(&missing).await?;
    tracing::warn!(
        artifacts = missing.len(),
        memos = forgotten,
        "artifacts are missing; their memos are forgotten, so that the work is done again"
    );
    Ok(forgotten)
}
