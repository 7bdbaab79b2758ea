//! Removes what is old, in small steps with pauses, so that it never stands in the way of work.

use std::{sync::Arc, time::Duration};

use common::port::{
    PortResult,
    store::{Retention, Store},
};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Between looks when little was old.
const IDLE: Duration = Duration::from_secs(60);
/// Between full steps: leaves the store to others most of the time.
const BUSY: Duration = Duration::from_millis(200);

/// Removes old rows for one process.
#[derive(Clone)]
pub struct Retainer {
    /// What to remove from.
    pub store: Arc<dyn Store>,
    /// What is old, and how large a step is.
    pub retention: Retention,
    /// Counts.
    pub metrics: Metrics,
}

impl Retainer {
    /// One step; answers how many rows went.
    pub async fn run_once(&self) -> PortResult<u64> {
        let gone = self.store.retain(self.retention).await?;
        self.metrics.retained.inc_by(gone);
        Ok(gone)
    }

    /// Removes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.run_once().await {
                Ok(gone) if gone >= u64::from(self.retention.most) => BUSY,
                Ok(_) => IDLE,
                Err(error) => {
                    tracing::debug!(%error, "nothing was removed");
                    IDLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
