//! `source` and `probe`: a file brought here, and what it is.

use std::time::Duration;

use common::{
    error::JobError,
    id::Digest,
    kinds::source::{self, Sourced},
    outcome::ArtifactRef,
};
use composition::plan::{ENGINE_VERSION, Facts, SourceHash};
use media::{
    cage::Scratch,
    child::{ChildJob, Output},
};

use super::{Context, Done, Ended, child::wrong_answer, json};

/// What a content is does not change; this only bounds what the board holds.
const FACTS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn run(context: &Context) -> Result<Done, Ended> {
    let source = source::parse(&context.claimed.input).map_err(JobError::refused)?;
    let scratch = context.scratch()?;
    context.reporter.tell(0.0, "fetching");
    let fetched = match context.tools.fetcher.fetch(&source.src, scratch.path(), &context.lease.stop).await {
        Err(_) if context.lease.stop.reason().is_some() => return Err(Ended::Stopped),
        fetched => fetched?,
    };
    let facts = context.facts(&fetched.hash, &scratch).await?;
    let artifact =
        ArtifactRef { hash: fetched.hash, bytes: fetched.bytes, media_type: "application/octet-stream".into() };
    let sourced = Sourced { artifact: fetched.hash, bytes: fetched.bytes, facts: json(&facts)? };
    Ok(Done { output: json(&sourced)?, artifacts: vec![artifact] })
}

impl Context {
    /// What the artifact is: as remembered on the board, else as a child probes it.
    pub(crate) async fn facts(&self, hash: &Digest, scratch: &Scratch) -> Result<Facts, Ended> {
        let key = format!("facts:{ENGINE_VERSION}:{hash}");
        let kept = self.tools.board.cached(&key).await.ok().flatten();
        if let Some(facts) = kept.and_then(|kept| serde_json::from_slice(&kept).ok()) {
            return Ok(facts);
        }
        let facts = self.probe(hash, scratch).await?;
        if let Ok(json) = serde_json::to_vec(&facts) {
            // Forgetting only costs another probe.
            let _ = self.tools.board.cache(&key, json.into(), FACTS_KEPT).await;
        }
        Ok(facts)
    }

    async fn probe(&self, hash: &Digest, scratch: &Scratch) -> Result<Facts, Ended> {
        let path = scratch.path().join(hash.to_string());
        self.bring_to(hash, &path).await?;
        let job = ChildJob::Probe { source: path, hash: SourceHash(hash.to_string()) };
        match self.child(&job, scratch, "probing").await? {
            Output::Probe(facts) => Ok(*facts),
            _ => Err(wrong_answer("probe").into()),
        }
    }
}
