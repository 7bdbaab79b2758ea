//! Remote artifacts with a disk cache in front, which holds those that this machine used last.
//!
//! It pays where fetching an artifact copies its bytes: from an object store, or from a folder on
//! another file system, such as a mounted one. Where a fetch is a hard link there is nothing to
//! gain, and [`open`] leaves the artifacts as they are. A disk cache that is full, read-only or
//! broken costs a warning: the artifacts behind it go on.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::Digest,
    outcome::ArtifactRef,
    port::{PortError, PortResult, artifacts::Artifacts},
};
use futures::stream::BoxStream;

use super::{address::PART, files};
use crate::cache::disk::{DiskCache, StagingFolder};

/// Puts the disk cache in front of artifacts on another device; on the same device, returns the
/// artifacts alone.
pub fn open(
    artifacts: Arc<dyn Artifacts>,
    disk: Arc<DiskCache>,
) -> (Arc<dyn Artifacts>, Option<Arc<DiskCache>>) {
    // Any hash will do, as only the folder's device counts.
    let folder = artifacts.path(&Digest([0; 32]));
    match folder.and_then(|path| device(&path)) {
        Some(own) if device(disk.root()) == Some(own) => (artifacts, None),
        _ => (Arc::new(CachedArtifacts::new(artifacts, Arc::clone(&disk))), Some(disk)),
    }
}

/// The device of a path, or of the folder that it would be created in.
fn device(path: &Path) -> Option<u64> {
    path.ancestors().find_map(|path| fs::metadata(path).ok()).map(|meta| meta.dev())
}

/// Remote artifacts with a disk cache in front.
pub struct CachedArtifacts {
    remote: Arc<dyn Artifacts>,
    disk: Arc<DiskCache>,
}

impl CachedArtifacts {
    /// Keeps artifacts that pass through in `disk`.
    pub fn new(remote: Arc<dyn Artifacts>, disk: Arc<DiskCache>) -> Self {
        Self { remote, disk }
    }

    /// Runs work on the disk cache. An error is logged and reads as `None`.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DiskCache) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let disk = Arc::clone(&self.disk);
        let done = tokio::task::spawn_blocking(move || work(&disk)).await;
        let folder = self.disk.root().display();
        done.map_err(io::Error::other)
            .flatten()
            .inspect_err(|error| tracing::warn!(%error, %folder, "the disk cache can't be used"))
            .ok()
    }

    /// Fetches to a staged file, checks its hash, and keeps it.
    async fn fetch_and_keep(
        &self,
        staged: StagingFolder,
        hash: &Digest,
        to: &Path,
    ) -> PortResult<bool> {
        let file = staged.file();
        if !self.remote.fetch(hash, &file).await? {
            return Ok(false);
        }
        let (to, hash) = (to.to_owned(), *hash);
        files::blocking(move || {
            let (digest, bytes) = files::digest(&file)?;
            if digest != hash {
                let detail = format!("{hash} came as {bytes} other bytes");
                return Err(PortError::unavailable(PART, detail));
            }
            link(&file, &to).map_err(|error| files::unwritable(&to, &error))
        })
        .await?;
        self.on_disk(move |disk| disk.keep(&staged, &hash)).await;
        Ok(true)
    }
}

/// Gives a file another name, or copies it where the disk can't link.
fn link(file: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(file, to) {
        Err(error)
            if !matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) =>
        {
            fs::copy(file, to).map(drop)
        }
        linked => linked,
    }
}

#[async_trait]
impl Artifacts for CachedArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        let source = file.to_owned();
        // Linked before it is put, because its path may not be used afterwards.
        let staged = self
            .on_disk(move |disk| {
                let staged = disk.stage()?;
                link(&source, &staged.file())?;
                Ok(staged)
            })
            .await;
        let artifact = self.remote.put(file, media_type).await?;
        if let Some(staged) = staged {
            let hash = artifact.hash;
            self.on_disk(move |disk| disk.keep(&staged, &hash)).await;
        }
        Ok(artifact)
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        self.remote.size(hash).await
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let (wanted, target) = (*hash, to.to_owned());
        if self.on_disk(move |disk| disk.fetch(&wanted, &target)).await == Some(true) {
            return Ok(true);
        }
        match self.on_disk(DiskCache::stage).await {
            Some(staged) => self.fetch_and_keep(staged, hash, to).await,
            None => self.remote.fetch(hash, to).await,
        }
    }

    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>> {
        self.remote.read(hash, start, end).await
    }

    fn path(&self, hash: &Digest) -> Option<PathBuf> {
        self.remote.path(hash)
    }

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        let deleted = hashes.to_vec();
        self.on_disk(move |disk| deleted.iter().try_for_each(|hash| disk.forget(hash))).await;
        self.remote.delete(hashes).await
    }

    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>> {
        self.remote.slice(first, quiet).await
    }

    /// Local copies stay until their space is needed: nothing references them any more.
    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64> {
        self.remote.retire(hashes, quiet).await
    }

    async fn check(&self) -> PortResult<()> {
        self.remote.check().await
    }
}
