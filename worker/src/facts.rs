//! Facts of artifacts: the streams, sizes and lengths that a media process finds in a file.

use backing::cache::{CacheKey, CachedValue, ComputeError, Namespace};
use common::{
    error::{JobError, code},
    id::Digest,
};
use composition::plan::{ENGINE_VERSION, Facts, SourceHash};
use media::{
    protocol::{MediaJob, Output},
    sandbox::Scratch,
};

use crate::{
    context::{Context, HandlerError},
    media_process::wrong_answer,
};

impl Context {
    /// Returns the facts of an artifact, from the cache or by probing it in a media process.
    /// Concurrent callers share one probe.
    pub(crate) async fn facts(
        &self,
        hash: &Digest,
        scratch: &Scratch,
    ) -> Result<Facts, HandlerError> {
        let item =
            CacheKey::new(Namespace::Metadata, [ENGINE_VERSION.to_string().as_bytes(), &hash.0]);
        let probing = async {
            let facts = self.probe(hash, scratch).await.map_err(ComputeError::from)?;
            let json =
                serde_json::to_vec(&facts).map_err(|error| ComputeError::Failed(unkept(&error)))?;
            Ok(CachedValue::new(json))
        };
        let kept = self.cached(&item, probing).await?;
        match serde_json::from_slice(&kept) {
            Ok(facts) => Ok(facts),
            // Another version of Spool wrote the cached value.
            Err(_) => self.probe(hash, scratch).await,
        }
    }

    async fn probe(&self, hash: &Digest, scratch: &Scratch) -> Result<Facts, HandlerError> {
        let path = scratch.inputs().join(hash.to_string());
        self.fetch_artifact(hash, &path).await?;
        let job = MediaJob::Probe { source: path, hash: SourceHash(hash.to_string()) };
        match self.run_media(&job, scratch, "probing").await? {
            Output::Probe(facts) => Ok(*facts),
            _ => Err(wrong_answer("probe").into()),
        }
    }
}

fn unkept(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("the facts of a file can't be kept: {error}"))
}
