//! Work in a caged child: bring the files it reads, run it, keep the files it makes, and read its ending as an outcome.

use std::path::PathBuf;

use common::{
    error::{ErrorClass, JobError, code},
    id::Digest,
};
use composition::plan::SourceHash;
use media::{
    cage::{Bounds, Cage, Ended, Ending, Scratch},
    child::{ChildJob, Output},
};

use crate::context::{Context, HandlerError};

/// The argument that makes the `spool` binary run as a media process.
pub const MEDIA_PROCESS_ARGUMENT: &str = "media-child";

/// Creates the sandbox that runs `program` as media processes.
pub(crate) fn sandbox(program: PathBuf) -> std::io::Result<Cage> {
    Cage::new(program, [MEDIA_PROCESS_ARGUMENT])
}

impl Context {
    /// Runs `job` in a child and tells its progress as `stage`.
    pub(crate) async fn run_media(
        &self,
        job: &ChildJob,
        scratch: &Scratch,
        stage: &str,
    ) -> Result<Output, HandlerError> {
        let bounds = Bounds::of(job).within(self.claimed.timeout);
        let report = |progress: media::child::Progress| {
            if progress.total > 0 {
                self.reporter.report(progress.done as f64 / progress.total as f64, stage);
            }
        };
        let ended = self
            .tools
            .sandbox
            .run(job, scratch.path(), bounds, self.lease.stop.token(), report)
            .await;
        match ended.ending {
            Ending::Done(output) => Ok(*output),
            Ending::Cancelled => Err(HandlerError::Stopped),
            _ => {
                let error = failure(ended);
                Err(self.damaged(read_by(job)).await.unwrap_or(error).into())
            }
        }
    }
}

/// The artifacts that a job reads under their own hashes.
fn read_by(job: &ChildJob) -> Vec<(Digest, PathBuf)> {
    let one = |(hash, path): (&SourceHash, &PathBuf)| Some((hash.0.parse().ok()?, path.clone()));
    match job {
        ChildJob::Segment { files, .. }
        | ChildJob::Still { files, .. }
        | ChildJob::Sound { files, .. } => files.iter().filter_map(one).collect(),
        ChildJob::Probe { source, hash } => one((hash, source)).into_iter().collect(),
        ChildJob::Assemble { .. } | ChildJob::Speech { .. } | ChildJob::Echo(_) => Vec::new(),
    }
}

/// A child's bad ending as an error: a closed set on both sides.
fn failure(ended: Ended) -> JobError {
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
