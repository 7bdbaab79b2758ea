//! Work in a caged child: bring the files it reads, run it, keep the files it makes, and read its ending as an outcome.

use std::path::Path;

use common::{
    error::{ErrorClass, JobError, code},
    id::Digest,
    outcome::ArtifactRef,
};
use composition::plan::SourceHash;
use media::{
    cage::{Bounds, Ended as ChildEnded, Ending, Scratch},
    child::{ChildJob, Files, Output},
};

use super::{Context, Ended};
use crate::fetch::unavailable;

impl Context {
    /// Runs `job` in a child and tells its progress as `stage`.
    pub(crate) async fn child(&self, job: &ChildJob, scratch: &Scratch, stage: &str) -> Result<Output, Ended> {
        let bounds = Bounds::of(job).within(self.claimed.timeout);
        let tell = |progress: media::child::Progress| {
            if progress.total > 0 {
                self.reporter.tell(progress.done as f64 / progress.total as f64, stage);
            }
        };
        let ended = self.tools.cage.run(job, scratch.path(), bounds, self.lease.stop.token(), tell).await;
        match ended.ending {
            Ending::Done(output) => Ok(*output),
            Ending::Cancelled => Err(Ended::Stopped),
            _ => Err(failure(ended).into()),
        }
    }

    /// Brings artifacts into the scratch folder, each under its hash.
    pub(crate) async fn bring(&self, hashes: &[SourceHash], scratch: &Scratch) -> Result<Files, JobError> {
        let mut files = Files::new();
        for hash in hashes {
            let digest: Digest = hash.0.parse().map_err(|error| JobError::bug(code::INTERNAL, format!("{error}")))?;
            let path = scratch.path().join(&hash.0);
            self.bring_to(&digest, &path).await?;
            files.insert(hash.clone(), path);
        }
        Ok(files)
    }

    /// Brings one artifact to `path`.
    pub(crate) async fn bring_to(&self, hash: &Digest, path: &Path) -> Result<(), JobError> {
        match self.tools.artifacts.fetch(hash, path).await.map_err(unavailable)? {
            true => Ok(()),
            false => Err(JobError::transient(
                code::UNAVAILABLE,
                format!("the artifact {hash} is gone, though something still refers to it: post the job again"),
            )),
        }
    }

    /// Keeps a file that a child made.
    pub(crate) async fn keep(&self, path: &Path, media_type: &str) -> Result<ArtifactRef, JobError> {
        self.tools.artifacts.put(path, media_type).await.map_err(unavailable)
    }
}

/// A child's bad ending as an error: a closed set on both sides.
fn failure(ended: ChildEnded) -> JobError {
    let (code, class) = match &ended.ending {
        Ending::BadInput(_) => (code::BAD_SOURCE, ErrorClass::Caller),
        Ending::Unsupported(_) => ("unsupported", ErrorClass::Caller),
        Ending::OutOfSpace(_) => (code::OUT_OF_SPACE, ErrorClass::Transient),
        Ending::OutOfMemory(_) => (code::OUT_OF_MEMORY, ErrorClass::Permanent),
        Ending::Timeout(_) | Ending::Stalled(_) => (code::TIMEOUT, ErrorClass::Transient),
        Ending::Killed => (code::CRASHED, ErrorClass::Transient),
        Ending::Crashed { .. } => (code::CRASHED, ErrorClass::Bug),
        Ending::Fault(_) | Ending::Done(_) | Ending::Cancelled => (code::INTERNAL, ErrorClass::Bug),
    };
    JobError::new(code, class, ended.ending.sentence()).with_log(ended.log)
}

/// A child that answers to another question than was asked.
pub(crate) fn wrong_answer(job: &str) -> JobError {
    JobError::bug(code::INTERNAL, format!("the {job} child gave another job's answer"))
}
