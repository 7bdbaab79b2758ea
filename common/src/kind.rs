//! A kind of work as data: its name, its bounds, and how its input becomes tasks.
//!
//! The worker runs kinds (`worker/src/kinds`, one file each). This module holds what the producer
//! needs too, to refuse bad input and to plan. Both get the same [`Catalog`].

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{error::JobError, fault::Fault, plan::Draft, queue::Queue, retry::RetryPolicy};

/// A role that outside services fill for kinds, not one of the services. A limit can cover all
/// calls of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    Text,
    Speech,
    Image,
    Transcription,
}

impl Provider {
    pub const ALL: [Self; 4] = [Self::Text, Self::Speech, Self::Image, Self::Transcription];

    /// The stored spelling, which is also part of URLs.
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

/// Turns a caller's input into the first tasks of a job, or returns all its faults. Their pointers
/// start at the input.
pub type PlanFn = fn(&Value) -> Result<Vec<Draft>, Vec<Fault>>;

/// Gives the JSON Schema of an input.
pub type SchemaFn = fn() -> Value;

/// Turns a succeeded task's input and output into the tasks that it adds. It is pure: running it
/// again gives the same tasks.
pub type GrowFn = fn(input: &Value, output: &Value) -> Result<Vec<Draft>, JobError>;

/// The properties of a kind, without its handler.
#[derive(Debug, Clone, Copy)]
pub struct KindSpec {
    /// The name in the store and the API, whose spelling never changes.
    pub name: &'static str,
    /// Part of every key. Raise it if the same input would give another output.
    pub version: u32,
    /// The queue whose slots it takes.
    pub queue: Queue,
    /// The longest that one attempt may take.
    pub timeout: Duration,
    /// Attempts before a retryable error is final.
    pub max_attempts: u16,
    /// The pauses between attempts.
    pub retry: RetryPolicy,
    /// The provider role that it calls, if any. A limit on the role counts all kinds that call it
    /// together.
    pub provider: Option<Provider>,
    /// Set if tasks with equal keys share one output. Not set for kinds that look at the outside
    /// world, or that grow.
    pub memo: bool,
    /// Plans a job of this kind; `None` for kinds that occur only inside plans.
    pub plan: Option<PlanFn>,
    /// The JSON Schema of the input of a job.
    pub schema: Option<SchemaFn>,
    /// Adds tasks after success. Kinds that grow are never memoised: they are cheap, and each task
    /// that they add has a memo of its own.
    pub grow: Option<GrowFn>,
}

/// The kinds that a process knows.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    kinds: BTreeMap<&'static str, KindSpec>,
}

impl Catalog {
    /// The kinds of these lists. A later kind replaces an earlier one of the same name.
    pub fn new(lists: &[&[KindSpec]]) -> Self {
        let kinds =
            lists.iter().flat_map(|list| list.iter()).map(|kind| (kind.name, *kind)).collect();
        Self { kinds }
    }

    /// The kind with this name.
    pub fn get(&self, name: &str) -> Option<&KindSpec> {
        self.kinds.get(name)
    }

    /// The kinds that a client may ask for, by name.
    pub fn jobs(&self) -> impl Iterator<Item = &KindSpec> {
        self.kinds.values().filter(|kind| kind.plan.is_some())
    }

    /// The names of the kinds that call this provider role, sorted.
    pub fn calling(&self, provider: Provider) -> impl Iterator<Item = &'static str> {
        self.kinds
            .values()
            .filter(move |kind| kind.provider == Some(provider))
            .map(|kind| kind.name)
    }

    /// The tasks that a settled task of `kind` adds; none if the kind does not grow or is not known
    /// here.
    pub fn grow(&self, kind: &str, input: &Value, output: &Value) -> Result<Vec<Draft>, JobError> {
        self.get(kind)
            .and_then(|kind| kind.grow)
            .map_or_else(|| Ok(Vec::new()), |grow| grow(input, output))
    }
}
