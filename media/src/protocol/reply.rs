//! The request to a media process, and its replies.

use super::bounds::Bounds;
use super::job::MediaJob;
use super::output::Output;
use crate::MediaError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The one line that the media process reads before it does anything.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRequest {
    pub job: MediaJob,
    pub scratch: PathBuf,
    pub bounds: Bounds,
    #[serde(default)]
    pub policy: SandboxPolicy,
}

/// The rule for machines that lack a layer of the sandbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxPolicy {
    /// Work with the layers that there are, and log the missing ones.
    #[default]
    Prefer,
    /// Refuse to work.
    Require,
}

/// A line from the media process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reply {
    /// The first reply: the layers of the sandbox.
    Confined(Confinement),
    Progress(Progress),
    /// The last reply of a job that succeeded.
    Done(Box<Output>),
    /// The last reply of a job that failed.
    Failed(MediaError),
}

/// The layers of the sandbox around a media process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confinement {
    /// The layers in force.
    pub active: Vec<String>,
    /// The layers that this machine does not offer, each with the reason.
    pub missing: Vec<String>,
}

/// The progress of a job, in units of the job (frames, samples, packets).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub done: u64,
    /// The units of the whole job; 0 if the number is not known.
    pub total: u64,
}
