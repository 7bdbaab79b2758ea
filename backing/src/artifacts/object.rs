//! Artifacts on any object store.

use std::{ops::Range, path::Path, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::Digest,
    outcome::ArtifactRef,
    port::{PortError, PortResult, artifacts::Artifacts},
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, buffered::BufWriter,
};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    address::{PART, address},
    files,
};

/// Age after which an object that is put again is also written again: half of the shortest time
/// for which unreferenced bytes are kept.
const RENEWED_AFTER: Duration = Duration::from_secs(1800);

/// Content-addressed files in an object store.
#[derive(Debug, Clone)]
pub struct ObjectArtifacts {
    store: Arc<dyn ObjectStore>,
}

impl ObjectArtifacts {
    /// Keeps artifacts in `store`, from its root.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    async fn upload(&self, file: &Path, hash: &Digest) -> PortResult<()> {
        let mut source =
            tokio::fs::File::open(file).await.map_err(|error| files::unreadable(file, &error))?;
        let mut target = BufWriter::new(Arc::clone(&self.store), address(hash));
        let copied = tokio::io::copy(&mut source, &mut target).await;
        let stored = match copied {
            Ok(_) => target.shutdown().await,
            Err(error) => {
                // Some stores charge for the parts of an unfinished upload. The error to report is
                // the copy's.
                let _ = target.abort().await;
                Err(error)
            }
        };
        stored.map_err(|error| {
            PortError::unavailable(PART, format!("{hash} could not be stored: {error}"))
        })
    }

    async fn head(&self, hash: &Digest) -> PortResult<Option<ObjectMeta>> {
        match self.store.head(&address(hash)).await {
            Ok(meta) => Ok(Some(meta)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn get(
        &self,
        hash: &Digest,
        range: Range<u64>,
    ) -> PortResult<BoxStream<'static, PortResult<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&address(hash), options).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed).boxed())
    }
}

#[async_trait]
impl Artifacts for ObjectArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        // Hashed before it is sent: the hash is the address, and no store renames for free.
        let (hash, bytes) = files::blocking({
            let file = file.to_owned();
            move || files::digest(&file)
        })
        .await?;
        // Only writing an object again renews its time, which is done well before it may be
        // retired.
        let held = self.head(&hash).await?;
        let is_recent = |held: &ObjectMeta| held.size == bytes && age(held) < RENEWED_AFTER;
        if !held.as_ref().is_some_and(is_recent) {
            self.upload(file, &hash).await?;
        }
        Ok(ArtifactRef { hash, bytes, media_type: media_type.to_owned() })
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        Ok(self.head(hash).await?.map(|held| held.size))
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let found = match self.store.get(&address(hash)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let failed_at = |error: std::io::Error| {
            PortError::unavailable(PART, format!("{}: {error}", to.display()))
        };
        let mut file = tokio::fs::File::create_new(to).await.map_err(failed_at)?;
        let mut bytes = found.into_stream();
        while let Some(chunk) = bytes.try_next().await.map_err(failed)? {
            file.write_all(&chunk).await.map_err(failed_at)?;
        }
        file.flush().await.map_err(failed_at)?;
        Ok(true)
    }

    async fn read(
        &self,
        hash: &Digest,
        start: u64,
        end: u64,
    ) -> PortResult<Option<BoxStream<'static, PortResult<Bytes>>>> {
        let Some(size) = self.size(hash).await? else { return Ok(None) };
        let range = start..end.min(size);
        if range.is_empty() {
            return Ok(Some(stream::empty().boxed()));
        }
        self.get(hash, range).await.map(Some)
    }

    fn path(&self, _: &Digest) -> Option<PathBuf> {
        None
    }

    async fn slice(&self, first: u8, quiet: Duration) -> PortResult<Vec<Digest>> {
        let prefix = object_store::path::Path::from(format!("{first:02x}"));
        let listed: Vec<ObjectMeta> =
            self.store.list(Some(&prefix)).try_collect().await.map_err(failed)?;
        let old = listed.iter().filter(|held| age(held) >= quiet);
        Ok(old.filter_map(|held| held.location.filename()?.parse().ok()).collect())
    }

    /// Between reading an object's age and removing it, an object that is put again can be lost:
    /// only one whose time was almost up, because a younger one is not removed, and an older one is
    /// written again by that put, which takes longer.
    async fn retire(&self, hashes: &[Digest], quiet: Duration) -> PortResult<u64> {
        let mut removed = 0;
        for hash in hashes {
            if self.head(hash).await?.is_some_and(|held| age(&held) >= quiet) {
                self.delete(&[*hash]).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        let paths =
            stream::iter(hashes.iter().map(|hash| Ok(address(hash))).collect::<Vec<_>>()).boxed();
        let mut answers = self.store.delete_stream(paths);
        let mut first_error = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => first_error = first_error.or(Some(failed(error))),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn check(&self) -> PortResult<()> {
        let probe = object_store::path::Path::from(format!("staging/check-{}", Uuid::new_v4()));
        self.store.put(&probe, Bytes::from_static(b"spool").into()).await.map_err(failed)?;
        self.store.delete(&probe).await.map_err(failed)
    }
}

/// Time since an object was written.
fn age(held: &ObjectMeta) -> Duration {
    let now = jiff::Timestamp::now().as_millisecond();
    Duration::from_millis(u64::try_from(now - held.last_modified.timestamp_millis()).unwrap_or(0))
}

fn failed(error: Error) -> PortError {
    let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |at| at.source());
    let of_the_system = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).next();
    match of_the_system {
        Some(cause) => PortError::from_io(PART, &error, cause),
        None => PortError::unavailable(PART, error),
    }
}
