//! Artifacts that are far, with those that this machine used last kept near, in a disk cache.
//!
//! It pays where fetching an artifact moves its bytes: from an object store, or from a folder on another file system (mounted from another
//! machine). Where a fetch is a hard link already there is nothing to gain, and [`open`] leaves the artifacts as they are.
//! A disk cache that is full, read-only or broken costs a warning: the artifacts behind it go on.

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

use super::{PART, intake};
use crate::cache::disk::{DiskCache, Staged};

/// Keeps artifacts near if they are far from `disk`; if they are not, answers with them alone.
pub fn open(
    far: Arc<dyn Artifacts>,
    disk: Arc<DiskCache>,
) -> (Arc<dyn Artifacts>, Option<Arc<DiskCache>>) {
    // Any hash does: it is the folder's device that counts.
    let folder = far.path(&Digest([0; 32]));
    match folder.and_then(|path| device(&path)) {
        Some(device_of_far) if device(disk.root()) == Some(device_of_far) => (far, None),
        _ => (Arc::new(NearbyArtifacts { far, disk: Arc::clone(&disk) }), Some(disk)),
    }
}

/// The device of a path, or of the folder it would be made in.
fn device(path: &Path) -> Option<u64> {
    path.ancestors().find_map(|path| fs::metadata(path).ok()).map(|meta| meta.dev())
}

/// Artifacts with a disk cache in front.
pub struct NearbyArtifacts {
    far: Arc<dyn Artifacts>,
    disk: Arc<DiskCache>,
}

impl NearbyArtifacts {
    /// Keeps what passes through in `disk`.
    pub fn new(far: Arc<dyn Artifacts>, disk: Arc<DiskCache>) -> Self {
        Self { far, disk }
    }

    /// Runs work on the disk cache. A fault is its own business, and reads as nothing.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DiskCache) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let disk = Arc::clone(&self.disk);
        let done = tokio::task::spawn_blocking(move || work(&disk)).await;
        match done.map_err(io::Error::other).flatten() {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::warn!(%error, folder = %self.disk.root().display(), "the disk cache can't be used");
                None
            }
        }
    }

    /// Fetches to a staged file, looks whether it is what was asked for, and keeps it.
    async fn fetch_and_keep(&self, staged: Staged, hash: &Digest, to: &Path) -> PortResult<bool> {
        let file = staged.file();
        if !self.far.fetch(hash, &file).await? {
            return Ok(false);
        }
        let (found, to, hash) = (file.clone(), to.to_owned(), *hash);
        intake::blocking(move || {
            let (is, bytes) = intake::digest(&found)?;
            if is != hash {
                return Err(PortError::unavailable(
                    PART,
                    format!("{hash} came as {bytes} other bytes"),
                ));
            }
            link(&found, &to).map_err(|error| intake::unwritable(&to, &error))
        })
        .await?;
        self.on_disk(move |disk| disk.keep(&staged, &hash)).await;
        Ok(true)
    }
}

/// Another name for a file, or a copy where the disk can't link.
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
impl Artifacts for NearbyArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        let made = file.to_owned();
        // Linked before it is handed on, because its path is not to be used after.
        let staged = self
            .on_disk(move |disk| {
                let staged = disk.stage()?;
                link(&made, &staged.file())?;
                Ok(staged)
            })
            .await;
        let artifact = self.far.put(file, media_type).await?;
        if let Some(staged) = staged {
            let hash = artifact.hash;
            self.on_disk(move |disk| disk.keep(&staged, &hash)).await;
        }
        Ok(artifact)
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        self.far.size(hash).await
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let (wanted, place) = (*hash, to.to_owned());
        if self.on_disk(move |disk| disk.fetch(&wanted, &place)).await == Some(true) {
            return Ok(true);
        }
        match self.on_disk(DiskCache::stage).await {
            Some(staged) => self.fetch_and_keep(staged, hash, to).await,
            None => self.far.fetch(hash, to).await,
        }
    }

    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>> {
        self.far.read(hash, start, end).await
    }

    fn path(&self, hash: &Digest) -> Option<PathBuf> {
        self.far.path(hash)
    }

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        let gone = hashes.to_vec();
        self.on_disk(move |disk| gone.iter().try_for_each(|hash| disk.forget(hash))).await;
        self.far.delete(hashes).await
    }

    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>> {
        self.far.slice(first, quiet).await
    }

    /// Copies that are near stay until their space is wanted: nothing names them any more.
    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64> {
        self.far.retire(hashes, quiet).await
    }

    async fn check(&self) -> PortResult<()> {
        self.far.check().await
    }
}
