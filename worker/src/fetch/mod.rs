//! Brings sources here. Only this module reaches beyond the machine, and only where [`Reach`] lets it.
//!
//! A source ends as an artifact under the hash of its content. What a path or URL held last time is remembered in the cache with its
//! validator (size and time of a file, `ETag` or date of a URL), so an unchanged source is looked at and not read again. A URL whose server
//! says for how long its answer holds is not even asked within that time, and one that many want at once is asked once.

mod address;
mod file;
mod freshness;
mod http;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use backing::cache::{Cache, Item, Made, Namespace};
use common::{
    error::{JobError, code},
    id::Digest,
    kinds::source::ARTIFACT,
    outcome::ArtifactRef,
    port::{PortError, artifacts::Artifacts},
};
use reqwest::dns::Resolve;
use serde::{Deserialize, Serialize};

use crate::stop::Stop;

/// Said of a file that holds nothing.
const EMPTY: &str = "is empty: name a file that holds something";

/// What may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Folders whose files may be sources; a relative path is looked for in each, in this order.
    pub allow: Vec<PathBuf>,
    /// Set if URLs may lead to private, loopback and link-local addresses.
    pub private_addresses: bool,
    /// The largest source, in bytes.
    pub max_bytes: u64,
}

impl Default for Reach {
    fn default() -> Self {
        // Eight gigabytes hold an hour of camera footage.
        Self { allow: Vec::new(), private_addresses: false, max_bytes: 8 << 30 }
    }
}

/// Fetches for one worker. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    reach: Arc<Reach>,
    client: reqwest::Client,
    artifacts: Arc<dyn Artifacts>,
    cache: Cache,
    /// Where scratch folders are made for what is fetched on behalf of all who want it.
    scratch: PathBuf,
}

/// A source that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The hash of its content, under which it is an artifact.
    pub hash: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What a path or URL held, and how to see whether it still does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    validator: String,
    hash: Digest,
    bytes: u64,
}

impl Fetcher {
    /// A fetcher with this reach, that makes scratch folders below `scratch`.
    pub fn new(
        reach: Reach,
        artifacts: Arc<dyn Artifacts>,
        cache: Cache,
        scratch: PathBuf,
    ) -> Result<Self, PortError> {
        let names = http::names(reach.private_addresses);
        Self::asking(names, reach, artifacts, cache, scratch)
    }

    /// A fetcher that has names resolved by `names`.
    fn asking(
        names: Arc<dyn Resolve>,
        reach: Reach,
        artifacts: Arc<dyn Artifacts>,
        cache: Cache,
        scratch: PathBuf,
    ) -> Result<Self, PortError> {
        let client = http::client(reach.private_addresses, names)
            .map_err(|error| PortError::broken("the fetcher", error))?;
        Ok(Self { reach: Arc::new(reach), client, artifacts, cache, scratch })
    }

    /// Brings `src` here. `scratch` takes the bytes on their way.
    pub async fn fetch(
        &self,
        src: &str,
        scratch: &std::path::Path,
        stop: &Stop,
    ) -> Result<Fetched, JobError> {
        match src.split_once("://") {
            Some(("http" | "https", _)) => {
                tokio::select! {
                    fetched = self.fetch_url(src) => fetched,
                    () = stop.asked() => Err(JobError::transient(code::CANCELLED, "the fetch was asked to stop")),
                }
            }
            Some((ARTIFACT, hash)) => self.find_artifact(src, hash).await,
            Some(("file", path)) => self.fetch_file(&file::decode_path(path)?, scratch).await,
            _ => self.fetch_file(std::path::Path::new(src), scratch).await,
        }
    }

    /// What another task made is here already.
    async fn find_artifact(&self, src: &str, hash: &str) -> Result<Fetched, JobError> {
        let bad =
            |what: String| JobError::caller(code::BAD_SOURCE, format!("`{}` {what}", shown(src)));
        let hash: Digest =
            hash.parse().map_err(|error| bad(format!("is not an artifact: {error}")))?;
        let bytes = self.artifacts.size(&hash).await.map_err(unavailable)?;
        let bytes = bytes.ok_or_else(|| {
            bad("is gone or was never there: run the job that made it again".into())
        })?;
        Ok(Fetched { hash, bytes })
    }

    /// What `src` held when it was last fetched with this validator, if those bytes are still an artifact.
    async fn recall(&self, src: &str, validator: &str) -> Option<Fetched> {
        let known = self.remembered(src).await.filter(|known| known.validator == validator)?;
        let fetched = Fetched { hash: known.hash, bytes: known.bytes };
        self.is_here(&fetched).await.then_some(fetched)
    }

    /// Returns whether what was fetched is still an artifact.
    async fn is_here(&self, fetched: &Fetched) -> bool {
        self.artifacts.size(&fetched.hash).await.is_ok_and(|size| size == Some(fetched.bytes))
    }

    async fn remembered(&self, src: &str) -> Option<Remembered> {
        let kept = self.cache.get(&place(Namespace::Media, src, &self.reach)).await?;
        serde_json::from_slice(&kept).ok()
    }

    /// Keeps the fetched file as an artifact, and remembers it where there is a validator to see by.
    async fn keep(
        &self,
        src: &str,
        file: &std::path::Path,
        validator: Option<String>,
    ) -> Result<Fetched, JobError> {
        let ArtifactRef { hash, bytes, .. } =
            self.artifacts.put(file, "application/octet-stream").await.map_err(unavailable)?;
        if bytes == 0 {
            return Err(JobError::caller(code::BAD_SOURCE, format!("`{}` {EMPTY}", shown(src))));
        }
        if let Some(validator) = validator {
            let known = Remembered { validator, hash, bytes };
            if let Ok(json) = serde_json::to_vec(&known) {
                self.cache.put(&place(Namespace::Media, src, &self.reach), Made::new(json)).await;
            }
        }
        Ok(Fetched { hash, bytes })
    }

    fn too_large(&self, src: &str) -> JobError {
        let most = self.reach.max_bytes;
        JobError::caller(
            code::BAD_SOURCE,
            format!("`{}` is larger than {most} bytes, the most a source may be", shown(src)),
        )
    }
}

/// Where the cache has what is known of a source. What may be reached is part of it: a worker that may not fetch from private addresses takes
/// nothing from one that may.
fn place(namespace: Namespace, src: &str, reach: &Reach) -> Item {
    let item = Item::new(namespace, [src.as_bytes(), &[u8::from(reach.private_addresses)]]);
    item.tagged("host", &http::host(src).unwrap_or_else(|| "files".to_owned()))
}

/// An error of a port, as a job's: it may go away.
pub(crate) fn unavailable(error: PortError) -> JobError {
    JobError::transient(code::UNAVAILABLE, error.to_string())
}

/// A caller's path or URL as it may stand in an error: short, and without what often holds secrets (user, password, query).
pub(crate) fn shown(src: &str) -> String {
    let bare = src.split(['?', '#']).next().unwrap_or_default();
    let bare = match bare.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/') {
            Some((host, path)) => format!("{scheme}://{}/{path}", after_user(host)),
            None => format!("{scheme}://{}", after_user(rest)),
        },
        None => bare.to_owned(),
    };
    bare.chars().take(200).collect()
}

fn after_user(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or_default()
}
