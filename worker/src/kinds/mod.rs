//! How each kind runs: a file each. Adding one is a file here, its spec (in `common::kinds` or `composition::kinds`), and a line in `run`.
//!
//! A handler is given a [`Context`] and answers with what it made or why not; it can't settle, and what it panics with is caught.

mod assemble;
mod check;
mod child;
mod echo;
mod hook;
mod ideas;
mod image;
mod render;
mod score;
mod script;
mod segment;
mod sound;
mod source;
mod speech;
mod still;
mod subtitles;
mod text;
mod thumbnail;
mod video;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use backing::cache::{Cache, Item, Unmade};
use bytes::Bytes;
use common::{
    error::{JobError, code},
    kinds as specs,
    outcome::ArtifactRef,
    port::artifacts::Artifacts,
    store::{Claimed, Store},
};
use media::cage::{Cage, Scratch};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use child::wrong_answer;

use crate::{
    Parts, Settings, fetch::Fetcher, leases::Lease, progress::Reporter, providers::Providers,
};

/// What handlers work with.
pub struct Tools {
    store: Arc<dyn Store>,
    artifacts: Arc<dyn Artifacts>,
    pub(crate) cache: Cache,
    pub(crate) fetcher: Fetcher,
    pub(crate) providers: Providers,
    cage: Cage,
    scratch: PathBuf,
}

/// The argument that makes our own binary a media child.
pub const CHILD_ARGUMENT: &str = "media-child";

impl Tools {
    pub(crate) fn new(
        parts: &Parts,
        fetcher: Fetcher,
        providers: Providers,
        settings: &Settings,
    ) -> std::io::Result<Self> {
        let cage = Cage::new(settings.program.clone(), [CHILD_ARGUMENT])?;
        let (store, artifacts, cache) =
            (parts.store.clone(), parts.artifacts.clone(), parts.cache.clone());
        Ok(Self {
            store,
            artifacts,
            cache,
            fetcher,
            providers,
            cage,
            scratch: settings.scratch.clone(),
        })
    }
}

/// All that one attempt may use.
pub struct Context {
    pub(crate) claimed: Claimed,
    pub(crate) tools: Arc<Tools>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) reporter: Arc<Reporter>,
}

/// What a handler made.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The task's output.
    pub output: Value,
    /// The files it pins, already stored.
    pub artifacts: Vec<ArtifactRef>,
}

/// Why it made nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It could not.
    Failed(JobError),
    /// It was asked to stop, and did.
    Stopped,
}

impl From<JobError> for Ended {
    fn from(error: JobError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unmade> for Ended {
    fn from(unmade: Unmade) -> Self {
        match unmade {
            Unmade::Failed(error) => Self::Failed(error),
            Unmade::Stopped => Self::Stopped,
        }
    }
}

impl From<Ended> for Unmade {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Failed(error) => Self::Failed(error),
            Ended::Stopped => Self::Stopped,
        }
    }
}

/// Runs the handler of the claimed task's kind.
pub(crate) async fn run(context: Context) -> Result<Done, Ended> {
    match context.claimed.kind.as_str() {
        specs::echo::NAME => echo::run(&context).await,
        specs::probe::NAME | specs::source::NAME => source::run(&context).await,
        specs::speech::NAME => speech::run(&context).await,
        specs::script::NAME => script::run(&context).await,
        specs::ideas::NAME => ideas::run(&context).await,
        specs::hook::NAME => hook::run(&context).await,
        specs::score::NAME => score::run(&context).await,
        specs::image::NAME => image::run(&context).await,
        specs::subtitles::NAME => subtitles::run(&context).await,
        composition::kinds::render::NAME => render::run(&context).await,
        composition::kinds::segment::NAME => segment::run(&context).await,
        composition::kinds::sound::NAME => sound::run(&context).await,
        composition::kinds::assemble::NAME => assemble::run(&context).await,
        composition::kinds::still::NAME => still::run(&context).await,
        composition::kinds::thumbnail::NAME => thumbnail::run(&context).await,
        composition::kinds::check::NAME => check::run(&context).await,
        composition::kinds::video::NAME => video::run(&context).await,
        composition::kinds::video::compose::NAME => video::compose(&context).await,
        composition::kinds::video::result::NAME => video::finish(&context).await,
        unknown => {
            let detail = format!(
                "this worker does not know the kind `{unknown}`: it is older than the producer; update it"
            );
            Err(JobError::transient(code::UNKNOWN_KIND, detail).into())
        }
    }
}

impl Context {
    /// The task's input as a type. It was checked when it was planned, so a mismatch is a bug or a newer producer's.
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        typed(&self.claimed.input, "input")
    }

    /// The output of the need at `index`, as a type. A need behind a `proceed` edge may have failed instead: then its error.
    pub(crate) fn need<T: DeserializeOwned>(&self, index: usize) -> Result<T, JobError> {
        match self.claimed.needs.get(index) {
            Some(need) => typed(need.result.as_ref().map_err(Clone::clone)?, &need.name),
            None => Err(JobError::bug(code::INTERNAL, format!("the task has no need {index}"))),
        }
    }

    /// A value of the cache, or what `making` comes to. Who waits for another's making stops when asked to; who makes stops in its own way.
    pub(crate) async fn cached(
        &self,
        item: &Item,
        making: impl Future<Output = Result<backing::cache::Made, Unmade>> + Send,
    ) -> Result<Bytes, Ended> {
        let begun = AtomicBool::new(false);
        let making = async {
            begun.store(true, Relaxed);
            making.await
        };
        let getting = self.tools.cache.get_or_make(item, making);
        tokio::pin!(getting);
        tokio::select! {
            value = &mut getting => return Ok(value?),
            () = self.lease.stop.asked() => {}
        }
        if begun.load(Relaxed) { Ok(getting.await?) } else { Err(Ended::Stopped) }
    }

    /// A folder of this attempt's own; gone when dropped.
    pub(crate) fn scratch(&self) -> Result<Scratch, JobError> {
        Scratch::create(&self.tools.scratch).map_err(|error| {
            let root = self.tools.scratch.display();
            JobError::transient(
                code::OUT_OF_SPACE,
                format!("no scratch folder can be made below {root}: {error}"),
            )
        })
    }
}

fn typed<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, JobError> {
    T::deserialize(value).map_err(|error| {
        JobError::bug(code::INTERNAL, format!("the {what} is not what this worker reads: {error}"))
    })
}

/// An output as JSON.
pub(crate) fn json(output: &impl serde::Serialize) -> Result<Value, JobError> {
    serde_json::to_value(output)
        .map_err(|error| JobError::bug(code::INTERNAL, format!("the output is not JSON: {error}")))
}

/// A text from outside without what is not writing: control characters (a line's end stays, a tab is a space) and those that turn the
/// direction of what follows.
pub(crate) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let spaced = text.chars().map(|c| if c == '\t' { ' ' } else { c });
    spaced.filter(|c| *c == '\n' || !(c.is_control() || turns(*c))).collect()
}

/// The scratch folder does not answer.
fn unread(error: &std::io::Error) -> JobError {
    JobError::transient(code::UNAVAILABLE, format!("the scratch folder can't be read: {error}"))
}
