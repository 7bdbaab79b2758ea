//! Memos whose files are gone: who deletes a file by hand, or restores a database without its files, is to have work done again and not
//! an output that names nothing.
//!
//! A file is put before the verdict that names it, and goes only when nothing names it any more; so a memo whose file is not there
//! will not get it back but by running.

use common::{
    port::{PortResult, artifacts::Artifacts},
    store::ArtifactReferences,
};

/// Forgets the memos that name a lost artifact whose hash begins with `first`; answers how many went.
///
/// # Errors
/// Those of both parts. What can't be looked at is not taken for lost.
pub async fn forget_lost(
    store: &(impl ArtifactReferences + ?Sized),
    artifacts: &(impl Artifacts + ?Sized),
    first: u8,
) -> PortResult<u64> {
    let mut lost = Vec::new();
    for hash in store.memo_artifacts(first).await? {
        if artifacts.size(&hash).await?.is_none() {
            lost.push(hash);
        }
    }
    if lost.is_empty() {
        return Ok(0);
    }
    let forgotten = store.forget_memos(&lost).await?;
    tracing::warn!(
        artifacts = lost.len(),
        memos = forgotten,
        "files that work was remembered by are gone: it is done again when asked for"
    );
    Ok(forgotten)
}
