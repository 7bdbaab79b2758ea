//! The fetcher: finds out what a source is, and fetches it from the web, the disk or the artifacts.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use backing::cache::Cache;
use common::{
    error::{JobError, code},
    id::Digest,
    kinds::source::ARTIFACT,
    port::{PortError, artifacts::Artifacts},
};
use reqwest::dns::Resolve;

use super::{
    address, file,
    known::{Fetched, KnownSources, unavailable},
    reach::{Reach, shown},
    web::{self, WebSources},
};
use crate::stop::Stop;

/// Fetches sources for one worker. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
    known: KnownSources,
    web: WebSources,
}

impl Fetcher {
    /// Creates a fetcher that makes scratch folders below `scratch`.
    pub fn new(
        reach: Reach,
        artifacts: Arc<dyn Artifacts>,
        cache: Cache,
        scratch: PathBuf,
    ) -> Result<Self, PortError> {
        let names = address::resolver(reach.private_addresses);
        Self::with_resolver(names, reach, artifacts, cache, scratch)
    }

    /// Creates a fetcher that resolves host names with `names`.
    pub(super) fn with_resolver(
        names: Arc<dyn Resolve>,
        reach: Reach,
        artifacts: Arc<dyn Artifacts>,
        cache: Cache,
        scratch: PathBuf,
    ) -> Result<Self, PortError> {
        let client = web::client(reach.private_addresses, names)
            .map_err(|error| PortError::broken("the fetcher", error))?;
        let known = KnownSources { reach: Arc::new(reach), artifacts, cache };
        Ok(Self { web: WebSources { known: known.clone(), client, scratch }, known })
    }

    /// Fetches `src` and stores it as an artifact. `scratch` takes the bytes on their way.
    pub async fn fetch(&self, src: &str, scratch: &Path, stop: &Stop) -> Result<Fetched, JobError> {
        match src.split_once("://") {
            Some(("http" | "https", _)) => {
                tokio::select! {
                    fetched = self.web.fetch(src) => fetched,
                    () = stop.asked() => Err(web::stopped()),
                }
            }
            Some((ARTIFACT, hash)) => self.find_artifact(src, hash).await,
            Some(("file", path)) => {
                file::fetch(&self.known, &file::decode_path(path)?, scratch).await
            }
            _ => file::fetch(&self.known, Path::new(src), scratch).await,
        }
    }

    /// Finds an artifact that a task has made.
    async fn find_artifact(&self, src: &str, hash: &str) -> Result<Fetched, JobError> {
        let bad =
            |what: String| JobError::caller(code::BAD_SOURCE, format!("`{}` {what}", shown(src)));
        let hash: Digest =
            hash.parse().map_err(|error| bad(format!("is not an artifact: {error}")))?;
        let bytes = self.known.artifacts.size(&hash).await.map_err(unavailable)?;
        let bytes = bytes.ok_or_else(|| {
            bad("is gone or was never there: run the job that made it again".into())
        })?;
        Ok(Fetched { hash, bytes })
    }
}
