//! `segment`: a run of frames. Its input is a [`crate::plan::Segment`], so equal pictures are
//! rendered once.

use std::time::Duration;

use common::{id::Digest, kind::KindSpec, queue::Queue, retry::RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::plan::ENGINE_VERSION;

/// Stored name of the kind.
pub const NAME: &str = "segment";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: ENGINE_VERSION,
    queue: Queue::Render,
    // The media process has a shorter deadline, which follows from the frames. This one is for work
    // that hangs outside of it.
    timeout: Duration::from_secs(2 * 3600),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: true,
    plan: None,
    schema: None,
    grow: None,
};

/// Output of a `segment` task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendered {
    /// The frames as a file without sound.
    pub artifact: Digest,
    /// Number of frames, which is that of the input.
    pub frames: u64,
    /// Differences between the frames and the composition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
