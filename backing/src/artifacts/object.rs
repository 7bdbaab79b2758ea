//! Artifacts on any object store, by its own operations only.

use std::{ops::Range, path::Path, path::PathBuf, sync::Arc};

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
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, buffered::BufWriter};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{PART, address, intake};

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
        let mut source = tokio::fs::File::open(file).await.map_err(|error| intake::unreadable(file, &error))?;
        let mut target = BufWriter::new(Arc::clone(&self.store), address(hash));
        let copied = tokio::io::copy(&mut source, &mut target).await;
        let stored = match copied {
            Ok(_) => target.shutdown().await,
            Err(error) => {
                // Parts of an upload that is given up cost money in some stores; the error that matters is the copy's.
                let _ = target.abort().await;
                Err(error)
            }
        };
        stored.map_err(|error| PortError::unavailable(PART, format!("{hash} could not be stored: {error}")))
    }

    async fn get(&self, hash: &Digest, range: Range<u64>) -> PortResult<BoxStream<'static, PortResult<Bytes>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = self.store.get_opts(&address(hash), options).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed).boxed())
    }
}

#[async_trait]
impl Artifacts for ObjectArtifacts {
    async fn put(&self, file: &Path, media_type: &str) -> PortResult<ArtifactRef> {
        // Hashed before it is sent: the hash is the address, and no store renames for nothing.
        let (hash, bytes) = intake::blocking({
            let file = file.to_owned();
            move || intake::digest(&file)
        })
        .await?;
        if self.size(&hash).await? != Some(bytes) {
            self.upload(file, &hash).await?;
        }
        Ok(ArtifactRef { hash, bytes, media_type: media_type.to_owned() })
    }

    async fn size(&self, hash: &Digest) -> PortResult<Option<u64>> {
        match self.store.head(&address(hash)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn fetch(&self, hash: &Digest, to: &Path) -> PortResult<bool> {
        let found = match self.store.get(&address(hash)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let failed_at = |error: std::io::Error| PortError::unavailable(PART, format!("{}: {error}", to.display()));
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

    async fn delete(&self, hashes: &[Digest]) -> PortResult<()> {
        let paths = stream::iter(hashes.iter().map(|hash| Ok(address(hash))).collect::<Vec<_>>()).boxed();
        let mut answers = self.store.delete_stream(paths);
        let mut first_fault = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => first_fault = first_fault.or(Some(failed(error))),
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    async fn check(&self) -> PortResult<()> {
        let probe = object_store::path::Path::from(format!("staging/check-{}", Uuid::new_v4()));
        self.store.put(&probe, Bytes::from_static(b"spool").into()).await.map_err(failed)?;
        self.store.delete(&probe).await.map_err(failed)
    }
}

fn failed(error: Error) -> PortError {
    PortError::unavailable(PART, error)
}
