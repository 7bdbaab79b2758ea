//! Artifacts as files of an attempt: fetched into its scratch folder, checked against their hashes,
//! and stored.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use common::{
    error::{JobError, code},
    id::Digest,
    outcome::ArtifactRef,
};
use composition::plan::SourceHash;
use media::{protocol::Files, sandbox::Scratch};

use crate::{context::Context, fetch::unavailable};

impl Context {
    /// Brings artifacts into the scratch folder, each under its hash.
    pub(crate) async fn bring(
        &self,
        hashes: &[SourceHash],
        scratch: &Scratch,
    ) -> Result<Files, JobError> {
        let wanted = hashes.iter().map(|hash| Ok((digest(hash)?, scratch.path().join(&hash.0))));
        self.bring_all(&wanted.collect::<Result<Vec<_>, JobError>>()?).await?;
        Ok(hashes.iter().map(|hash| (hash.clone(), scratch.path().join(&hash.0))).collect())
    }

    /// Brings one artifact to `path`.
    pub(crate) async fn bring_to(&self, hash: &Digest, path: &Path) -> Result<(), JobError> {
        self.bring_all(&[(*hash, path.to_owned())]).await
    }

    /// Brings each artifact to its place.
    pub(crate) async fn bring_all(&self, wanted: &[(Digest, PathBuf)]) -> Result<(), JobError> {
        let mut gone = Vec::new();
        for (hash, path) in wanted {
            if !self.tools.artifacts.fetch(hash, path).await.map_err(unavailable)? {
                gone.push(*hash);
            }
        }
        if gone.is_empty() { Ok(()) } else { Err(self.lost(&gone, "gone").await) }
    }

    /// Artifacts that can't be had any more, though the tasks that made them are remembered. These are forgotten, so that the next job that
    /// asks for them makes them anew; this one's needs have settled.
    async fn lost(&self, hashes: &[Digest], how: &str) -> JobError {
        let Some(first) = hashes.first() else {
            return JobError::bug(code::INTERNAL, "no artifact is lost");
        };
        match self.tools.store.forget_memos(hashes).await {
            Ok(_) => JobError::permanent(
                code::ARTIFACT_LOST,
                format!(
                    "{} of the files that were made before are {how}, {first} the first: post the job again, and they are made anew",
                    hashes.len()
                ),
            ),
            Err(error) => unavailable(error),
        }
    }

    /// Looks whether files that were brought as artifacts hold what their hashes say. Those that do not are thrown away and forgotten; none
    /// where all are whole.
    pub(crate) async fn damaged(&self, brought: Vec<(Digest, PathBuf)>) -> Option<JobError> {
        let looking = tokio::task::spawn_blocking(move || {
            let wrong = brought.iter().filter(|(hash, path)| !is_whole(path, hash));
            wrong.map(|(hash, _)| *hash).collect::<Vec<Digest>>()
        });
        let damaged = looking.await.unwrap_or_default();
        if damaged.is_empty() {
            return None;
        }
        tracing::error!(?damaged, "artifacts are damaged: their disk is not to be trusted");
        // Before they are forgotten: who makes them anew would find a file of that name, and keep it.
        match self.tools.artifacts.delete(&damaged).await {
            Ok(()) => Some(self.lost(&damaged, "damaged").await),
            Err(error) => Some(unavailable(error)),
        }
    }

    /// Keeps a file that a child made.
    pub(crate) async fn keep(
        &self,
        path: &Path,
        media_type: &str,
    ) -> Result<ArtifactRef, JobError> {
        self.tools.artifacts.put(path, media_type).await.map_err(unavailable)
    }
}

fn digest(hash: &SourceHash) -> Result<Digest, JobError> {
    hash.0.parse().map_err(|error| JobError::bug(code::INTERNAL, format!("{error}")))
}

fn is_whole(path: &Path, hash: &Digest) -> bool {
    let mut hasher = blake3::Hasher::new();
    let read = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    read.is_ok() && hasher.finalize().as_bytes() == &hash.0
}
