//! The window: in process for one machine, Redis for a fleet. Losing all of it costs time and never a job.

pub mod local;
pub mod persistent;
pub mod redis;

use std::time::Duration;

use common::{limits, view::JobView};

/// How long a view lives after its last write: a final one stays, any other must be renewed so that a lost write can't lie for ever.
fn lifetime(view: &JobView) -> Duration {
    if view.status.is_final() { limits::FINAL_VIEW_TTL } else { limits::LIVE_VIEW_TTL }
}
