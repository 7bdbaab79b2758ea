//! The artifacts port: files under the hash of their content.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::PortResult;
use crate::{id::Digest, outcome::ArtifactRef};

/// A store of artifacts. Equal bytes are one artifact, and an artifact is stored whole or not at
/// all.
#[async_trait]
pub trait Artifacts: Send + Sync + 'static {
    /// Stores a file and hashes it on the way. The file may be moved, so its path must not be used
    /// afterwards.
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef>;

    /// The size of an artifact in bytes; `None` if it is not stored.
    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>>;

    /// Copies or hard-links an artifact to a new file at `to`; `false` if it is not stored.
    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool>;

    /// The bytes `[start, end)` of an artifact; `None` if it is not stored.
    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>>;

    /// The artifact's path on this machine, if the adapter stores it there (the embedded one does).
    fn path(&self, hash: &Digest) -> Option<PathBuf>;

    /// The artifacts whose hash begins with this byte and that were last put at least `quiet` ago.
    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>>;

    /// Removes artifacts, except those put within `quiet`, and returns the number removed. A `put`
    /// of the same bytes at the same moment leaves the artifact stored.
    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64>;

    /// Removes artifacts at once. A missing one is not an error.
    async fn delete(&self, hashes: &[Digest]) -> PortResult<()>;

    /// Checks that the store can be reached and written.
    async fn check(&self) -> PortResult<()>;
}
