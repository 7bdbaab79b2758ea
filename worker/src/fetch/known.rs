//! The sources that were fetched before: the cache remembers the artifact of each.

use std::{path::Path, sync::Arc};

use backing::cache::{Cache, CacheKey, CachedValue, Namespace};
use common::{
    error::{JobError, code},
    id::Digest,
    outcome::ArtifactRef,
    port::{PortError, artifacts::Artifacts},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::reach::{Reach, shown};

/// The error sentence for an empty file.
pub(super) const EMPTY: &str = "is empty: name a file that holds something";

/// A fetched source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The hash of the content, and so the name of the artifact.
    pub hash: Digest,
    pub bytes: u64,
}

/// The artifact that a path or URL had when it was last fetched, with the validator that shows
/// whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastFetch {
    pub validator: String,
    hash: Digest,
    bytes: u64,
}

/// The artifacts of fetched sources. Cheap to clone.
#[derive(Clone)]
pub(super) struct KnownSources {
    pub reach: Arc<Reach>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
}

impl KnownSources {
    /// Returns the last fetch of `src`.
    pub async fn last_fetch(&self, src: &str) -> Option<LastFetch> {
        let value = self.cache.get(&self.item(Namespace::Media, src)).await?;
        serde_json::from_slice(&value).ok()
    }

    /// Returns the artifact of the last fetch of `src`, if it had this validator and the artifact
    /// still exists.
    pub async fn unchanged(&self, src: &str, validator: &str) -> Option<Fetched> {
        let last = self.last_fetch(src).await.filter(|last| last.validator == validator)?;
        let fetched = Fetched { hash: last.hash, bytes: last.bytes };
        self.is_stored(&fetched).await.then_some(fetched)
    }

    /// Returns whether the artifact of a fetched source still exists.
    pub async fn is_stored(&self, fetched: &Fetched) -> bool {
        self.artifacts.size(&fetched.hash).await.is_ok_and(|size| size == Some(fetched.bytes))
    }

    /// Stores a fetched file as an artifact. If there is a validator, the cache remembers the
    /// artifact.
    pub async fn store(
        &self,
        src: &str,
        file: &Path,
        validator: Option<String>,
    ) -> Result<Fetched, JobError> {
        let ArtifactRef { hash, bytes, .. } =
            self.artifacts.put(file, "application/octet-stream").await.map_err(unavailable)?;
        if bytes == 0 {
            return Err(JobError::caller(code::BAD_SOURCE, format!("`{}` {EMPTY}", shown(src))));
        }
        if let Some(validator) = validator {
            let last = LastFetch { validator, hash, bytes };
            if let Ok(json) = serde_json::to_vec(&last) {
                self.cache.put(&self.item(Namespace::Media, src), CachedValue::new(json)).await;
            }
        }
        Ok(Fetched { hash, bytes })
    }

    /// Returns the cache item for a source. The permission for private addresses is part of it: a
    /// worker without it must not use what a worker with it has fetched.
    pub fn item(&self, namespace: Namespace, src: &str) -> CacheKey {
        let private = [u8::from(self.reach.private_addresses)];
        let host = Url::parse(src).ok().and_then(|url| url.host_str().map(str::to_owned));
        CacheKey::new(namespace, [src.as_bytes(), &private])
            .tagged("host", host.as_deref().unwrap_or("files"))
    }
}

/// Converts an error of a port to a transient error of the job.
pub(crate) fn unavailable(error: PortError) -> JobError {
    let code = match error {
        PortError::Exhausted { code, .. } => code,
        _ => code::UNAVAILABLE,
    };
    JobError::transient(code, error.to_string())
}
