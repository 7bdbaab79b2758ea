//! A kind of work as data: its name, its bounds, and how its input becomes tasks.
//!
//! How a kind runs is the worker's business (`worker/src/kinds`, a file each); what the producer must know of it, to refuse bad
//! input and to plan, is here. Both sides are given the same [`Catalog`].

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{error::JobError, fault::Fault, plan::Draft, queue::Queue, retry::RetryPolicy};

/// A part of the outside world that kinds ask, and that may be limited as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Writes.
    Text,
    /// Speaks.
    Speech,
    /// Paints.
    Image,
    /// Listens.
    Transcription,
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 4] = [Self::Text, Self::Speech, Self::Image, Self::Transcription];

    /// The stored spelling, part of paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Speech => "speech",
            Self::Image => "image",
            Self::Transcription => "transcription",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == text)
    }
}

/// Turns a caller's input into the first tasks of a job, or says all that is wrong with it. Pointers start at the input.
pub type PlanFn = fn(&Value) -> Result<Vec<Draft>, Vec<Fault>>;

/// Turns a succeeded task's input and output into the tasks it adds. Pure: whoever settles runs it, and running it again gives the same.
pub type GrowFn = fn(input: &Value, output: &Value) -> Result<Vec<Draft>, JobError>;

/// What is known of a kind before it runs.
#[derive(Debug, Clone, Copy)]
pub struct KindSpec {
    /// Stored and spoken in the API: never respelled.
    pub name: &'static str,
    /// Raised when the same input would give another output; part of every key.
    pub version: u32,
    /// Whose slots it takes.
    pub queue: Queue,
    /// An attempt that takes longer is ended.
    pub timeout: Duration,
    /// Attempts before a retryable error is final.
    pub max_attempts: u16,
    /// Pauses between attempts.
    pub retry: RetryPolicy,
    /// Whom it asks, if anybody: under a limit of that provider all kinds that ask it are counted together.
    pub provider: Option<Provider>,
    /// Set if equal keys share one output. Off for what looks at the outside world, and for kinds
    /// that grow.
    pub memo: bool,
    /// How a job of this kind is planned; `None` for kinds that occur only inside plans.
    pub plan: Option<PlanFn>,
    /// What success adds to the plan. Kinds that grow are never memoised: they are cheap, and what they add is memoised task by task.
    pub grow: Option<GrowFn>,
}

/// The kinds a process knows.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    kinds: BTreeMap<&'static str, KindSpec>,
}

impl Catalog {
    /// The kinds of these lists. A later kind of the same name replaces an earlier one.
    pub fn new(lists: &[&[KindSpec]]) -> Self {
        let kinds =
            lists.iter().flat_map(|list| list.iter()).map(|kind| (kind.name, *kind)).collect();
        Self { kinds }
    }

    /// The kind of this name.
    pub fn get(&self, name: &str) -> Option<&KindSpec> {
        self.kinds.get(name)
    }

    /// The kinds a client may ask for, by name.
    pub fn jobs(&self) -> impl Iterator<Item = &KindSpec> {
        self.kinds.values().filter(|kind| kind.plan.is_some())
    }

    /// The kinds that ask this provider, by name.
    pub fn asking(&self, provider: Provider) -> impl Iterator<Item = &'static str> {
        self.kinds
            .values()
            .filter(move |kind| kind.provider == Some(provider))
            .map(|kind| kind.name)
    }

    /// The tasks that a settled `kind` adds: none if it does not grow, or is not known here.
    pub fn grow(&self, kind: &str, input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
        self.get(kind)
            .and_then(|kind| kind.grow)
            .map_or_else(|| Ok(Vec::new()), |grow| grow(input, output))
    }
}
