//! Files by the hash of their content.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::PortResult;
use crate::{id::Digest, outcome::ArtifactRef};

/// Where artifacts are kept. Putting the same bytes twice is one artifact; an artifact is there whole or not at all.
#[async_trait]
pub trait Artifacts: Send + Sync + 'static {
    /// Stores a file, hashing it on the way. The file may be moved: its path is not to be used again.
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef>;

    /// Its size in bytes, or `None` if it is not here.
    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>>;

    /// Brings it to a new file at `to` (hard-linked or copied), or `false` if it is not here.
    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool>;

    /// Its bytes `[start, end)`, or `None` if it is not here.
    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>>;

    /// Its place on this machine's disk, where the adapter has one (embedded only).
    fn path(&self, hash: &Digest) -> Option<PathBuf>;

    /// The artifacts whose hash begins with this byte and that nobody has put for `quiet`.
    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>>;

    /// Removes these, but for any that somebody has put within `quiet`; answers how many went. Whoever puts one of them at the same moment
    /// ends with it here.
    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64>;

    /// Forgets these; those that are not here are no error.
    async fn delete(&self, hashes: &[Digest]) -> PortResult<()>;

    /// Returns whether it can be reached and written.
    async fn check(&self) -> PortResult<()>;
}
