//! Adapters of the view cache: in process for one machine, Redis for a fleet. Losing all of it
//! costs time and never a job.

pub mod local;
pub mod persistent;
pub mod redis;

use std::time::Duration;

use common::{limits, view::JobView};

/// Lifetime of a view after its last write. A view that is not final must be renewed, so that a
/// lost write does not show an old state for ever.
fn lifetime(view: &JobView) -> Duration {
    if view.status.is_final() { limits::FINAL_VIEW_TTL } else { limits::LIVE_VIEW_TTL }
}
