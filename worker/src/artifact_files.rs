//! Artifacts as files of an attempt: fetched into its scratch folder, checked against their hashes,
//! and stored.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use common::{
    error::{JobError, code},
    id::Digest,
    outcome::ArtifactRef,
};
use composition::plan::SourceHash;
use media::{protocol::Files, sandbox::Scratch};

use crate::{
    context::{Context, unread},
    fetch::unavailable,
};

impl Context {
    /// Fetches artifacts as inputs of media processes, each into a file named by its hash.
    pub(crate) async fn fetch_sources(
        &self,
        hashes: &[SourceHash],
        scratch: &Scratch,
    ) -> Result<Files, JobError> {
        let file = |hash: &SourceHash| scratch.inputs().join(&hash.0);
        let wanted = hashes.iter().map(|hash| Ok((digest(hash)?, file(hash))));
        self.fetch_artifacts(&wanted.collect::<Result<Vec<_>, JobError>>()?).await?;
        Ok(hashes.iter().map(|hash| (hash.clone(), file(hash))).collect())
    }

    /// Fetches one artifact into the file `path`.
    pub(crate) async fn fetch_artifact(&self, hash: &Digest, path: &Path) -> Result<(), JobError> {
        self.fetch_artifacts(&[(*hash, path.to_owned())]).await
    }

    /// Fetches each artifact into its file.
    pub(crate) async fn fetch_artifacts(
        &self,
        wanted: &[(Digest, PathBuf)],
    ) -> Result<(), JobError> {
        let mut gone = Vec::new();
        for (hash, path) in wanted {
            if !self.tools.artifacts.fetch(hash, path).await.map_err(unavailable)? {
                gone.push(*hash);
            }
        }
        if gone.is_empty() { Ok(()) } else { Err(self.lost_artifacts_error(&gone, "gone").await) }
    }

    /// Returns the error for artifacts that are gone or damaged, and deletes the memos of the tasks
    /// that made them. Without a memo, the next job that needs them runs those tasks again. This
    /// job cannot, because its needs have settled.
    async fn lost_artifacts_error(&self, hashes: &[Digest], how: &str) -> JobError {
        let Some(first) = hashes.first() else {
            return JobError::bug(code::INTERNAL, "no artifact is lost");
        };
        match self.tools.store.forget_memos(hashes).await {
            Ok(_) => JobError::permanent(
                code::ARTIFACT_LOST,
                format!(
                    "{} of the artifacts that the job needs are {how}, the first is {first}: post \
                     the job again to make them again",
                    hashes.len()
                ),
            ),
            Err(error) => unavailable(error),
        }
    }

    /// Checks fetched files against their hashes. Deletes the artifacts that do not match, and
    /// returns the error for them. If a file can't be read to its end, nothing is deleted, and the
    /// error is transient.
    pub(crate) async fn damage_of(&self, fetched: Vec<(Digest, PathBuf)>) -> Option<JobError> {
        let checking = tokio::task::spawn_blocking(move || damaged(&fetched));
        let damaged = match checking.await.map_err(io::Error::other).flatten() {
            Ok(damaged) if damaged.is_empty() => return None,
            Ok(damaged) => damaged,
            Err(error) => return Some(unread(&error)),
        };
        tracing::error!(?damaged, "artifacts are damaged: check the disk that holds them");
        // Before their memos are deleted: a task that made one again would find a file of that name
        // and keep it.
        match self.tools.artifacts.delete(&damaged).await {
            Ok(()) => Some(self.lost_artifacts_error(&damaged, "damaged").await),
            Err(error) => Some(unavailable(error)),
        }
    }

    /// Stores a file that a media process made.
    pub(crate) async fn store_file(
        &self,
        path: &Path,
        media_type: &str,
    ) -> Result<ArtifactRef, JobError> {
        // A decoder that was taken over could leave a link to any file that this process may read.
        if !fs::symlink_metadata(path).map_err(|error| unread(&error))?.is_file() {
            return Err(JobError::bug(code::INTERNAL, "the media process made no regular file"));
        }
        self.tools.artifacts.put(path, media_type).await.map_err(unavailable)
    }
}

fn digest(hash: &SourceHash) -> Result<Digest, JobError> {
    hash.0.parse().map_err(|error| JobError::bug(code::INTERNAL, format!("{error}")))
}

/// Returns the hashes of the files that have another content.
///
/// Only a file that was read to its end counts. An error of opening or reading says nothing about
/// the artifact: this process may be out of handles, or a network disk away for a moment.
fn damaged(fetched: &[(Digest, PathBuf)]) -> io::Result<Vec<Digest>> {
    let mut damaged = Vec::new();
    for (hash, path) in fetched {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        if hasher.finalize().as_bytes() != &hash.0 {
            damaged.push(*hash);
        }
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_was_read_to_its_end_is_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str, stored: &str| {
            let path = folder.path().join(name);
            fs::write(&path, stored).expect("a file");
            (Digest::of(content.as_bytes()), path)
        };
        let (whole, cut) = (file("whole", "sound", "sound"), file("cut", "picture", "pict"));
        assert_eq!(damaged(&[whole.clone(), cut.clone()]).expect("readable"), [cut.0]);
        // Reading a folder fails as a read of a broken disk does; a missing file can't be opened.
        for unreadable in [folder.path().to_owned(), folder.path().join("missing")] {
            assert!(damaged(&[cut.clone(), (whole.0, unreadable)]).is_err());
        }
    }
}
