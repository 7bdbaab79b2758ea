//! `sound`: the sound of the whole composition, mixed and encoded. Its input is a
//! [`crate::plan::Sound`], so that an edit of a caption does not change it.

use std::time::Duration;

use common::{id::Digest, kind::KindSpec, queue::Queue, retry::RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::plan::ENGINE_VERSION;

/// Stored name of the kind.
pub const NAME: &str = "sound";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: ENGINE_VERSION,
    queue: Queue::Render,
    timeout: Duration::from_secs(2 * 3600),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: true,
    plan: None,
    schema: None,
    grow: None,
};

/// Output of a `sound` task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mixed {
    /// The encoded sound.
    pub artifact: Digest,
    /// Integrated loudness in LUFS; none if the sound is silent or too short to have one.
    pub loudness: Option<f64>,
}
