//! The tools that a kind or a provider may use while it runs a task, and the types that it returns.
//!
//! A kind returns an output or an error. It cannot settle its task.

use std::{
    panic::resume_unwind,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use backing::cache::{Cache, CacheKey, ComputeError};
use bytes::Bytes;
use common::{
    error::{JobError, code},
    outcome::ArtifactRef,
    port::artifacts::Artifacts,
    store::{Claimed, Store},
};
use media::sandbox::{Sandbox, Scratch};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    sync::{AcquireError, Semaphore},
    task::spawn_blocking,
};

use crate::{fetch::Fetcher, leases::Lease, progress::Reporter};

/// The tools that all attempts of a worker share.
pub(crate) struct Tools {
    pub store: Arc<dyn Store>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    pub fetcher: Fetcher,
    pub sandbox: Sandbox,
    /// The folder in which attempts create their scratch folders.
    pub scratch: PathBuf,
    /// Bounds the long computations that run at once.
    pub processors: Arc<Semaphore>,
}

/// The task that runs, and the tools to run it with.
pub(crate) struct Context {
    pub claimed: Claimed,
    pub tools: Arc<Tools>,
    pub lease: Arc<Lease>,
    pub reporter: Arc<Reporter>,
}

/// The result of a handler that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HandlerOutput {
    pub output: Value,
    /// Stored files that are kept as long as the output.
    pub artifacts: Vec<ArtifactRef>,
}

/// The reason for which a handler has no output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HandlerError {
    Failed(JobError),
    /// The handler ended because it was asked to stop.
    Stopped,
}

impl From<JobError> for HandlerError {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

impl From<ComputeError> for HandlerError {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Failed(error) => Self::Failed(error),
            ComputeError::Stopped => Self::Stopped,
        }
    }
}

impl From<HandlerError> for ComputeError {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Failed(error) => Self::Failed(error),
            HandlerError::Stopped => Self::Stopped,
        }
    }
}

impl Context {
    /// Returns the task's input as a type. The input was checked when the task was planned, so a
    /// mismatch is a bug, or the producer is newer than this worker.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        typed(&self.claimed.input, "input")
    }

    /// Returns the output of the need at `index` as a type. A need behind a `proceed` edge may have
    /// failed; then its error is returned.
    pub(crate) fn need<T: DeserializeOwned>(&self, index: usize) -> Result<T, JobError> {
        match self.claimed.needs.get(index) {
            Some(need) => typed(need.result.as_ref().map_err(Clone::clone)?, &need.name),
            None => Err(JobError::bug(code::INTERNAL, format!("the task has no need {index}"))),
        }
    }

    /// Returns a value from the cache, or computes it with `making`. A caller that only waits for
    /// another's computation returns when asked to stop. A caller that computes relies on `making`
    /// to stop.
    pub(crate) async fn cached(
        &self,
        item: &CacheKey,
        making: impl Future<Output = Result<backing::cache::CachedValue, ComputeError>> + Send,
    ) -> Result<Bytes, HandlerError> {
        let begun = AtomicBool::new(false);
        let making = async {
            begun.store(true, Relaxed);
            making.await
        };
        let getting = self.tools.cache.get_or_compute(item, making);
        tokio::pin!(getting);
        tokio::select! {
            value = &mut getting => return Ok(value?),
            () = self.lease.stop.asked() => {}
        }
        if begun.load(Relaxed) { Ok(getting.await?) } else { Err(HandlerError::Stopped) }
    }

    /// Runs a long computation beside the runtime's threads, which answer heartbeats and health
    /// checks. As many run at once as there are processors. One that outlasts the attempt's timeout
    /// goes on alone, and keeps its processor from others.
    pub(crate) async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, JobError> {
        let closed = |error: AcquireError| JobError::bug(code::INTERNAL, error.to_string());
        let processor = self.tools.processors.clone().acquire_owned().await.map_err(closed)?;
        let context = Arc::clone(self);
        let running = spawn_blocking(move || {
            let _processor = processor;
            work(&context)
        });
        running.await.unwrap_or_else(|error| match error.try_into_panic() {
            // It is reported as any panic of a handler.
            Ok(panic) => resume_unwind(panic),
            Err(error) => Err(JobError::bug(code::INTERNAL, error.to_string())),
        })
    }

    /// Creates a scratch folder for this attempt. It is removed on drop.
    pub(crate) fn scratch(&self) -> Result<Scratch, JobError> {
        Scratch::create(&self.tools.scratch).map_err(|error| {
            let root = self.tools.scratch.display();
            let detail = format!("no scratch folder can be made below {root}: {error}");
            JobError::from_io(detail, &error)
        })
    }
}

pub(crate) fn typed<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, JobError> {
    T::deserialize(value).map_err(|error| {
        JobError::bug(code::INTERNAL, format!("the {what} is not what this worker reads: {error}"))
    })
}

/// Converts an output to JSON.
pub(crate) fn json(output: &impl serde::Serialize) -> Result<Value, JobError> {
    serde_json::to_value(output)
        .map_err(|error| JobError::bug(code::INTERNAL, format!("the output is not JSON: {error}")))
}

/// Removes characters from outside text that could garble a display: control characters and those
/// that change the direction of writing. Line ends stay, and a tab becomes a space.
pub(crate) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let spaced = text.chars().map(|c| if c == '\t' { ' ' } else { c });
    spaced.filter(|c| *c == '\n' || !(c.is_control() || turns(*c))).collect()
}

/// Returns the error for a scratch folder that cannot be read.
pub(crate) fn unread(error: &std::io::Error) -> JobError {
    JobError::from_io(format!("the scratch folder can't be read: {error}"), error)
}
