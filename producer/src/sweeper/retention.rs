//! Removes what is old, rows and files, in small steps with pauses, so that it never stands in the way of work.

use std::{sync::Arc, time::Duration};

use common::{
    port::PortResult,
    store::{Retention, Store},
};
use tokio_util::sync::CancellationToken;

use super::artifacts::Collector;
use crate::metrics::Metrics;

/// Between looks when little was old.
const IDLE: Duration = Duration::from_secs(60);
/// Between full steps: leaves the store to others most of the time.
const BUSY: Duration = Duration::from_millis(200);

/// Removes what is old for one process.
#[derive(Clone)]
pub struct Retainer {
    /// What to remove from.
    pub store: Arc<dyn Store>,
    /// What is old, and how large a step is.
    pub retention: Retention,
    /// Removes files.
    pub collector: Collector,
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

    /// A slice of the files; answers how many went.
    pub async fn collect_once(&self) -> PortResult<u64> {
        let gone = self.collector.run_once().await?;
        self.metrics.collected.inc_by(gone);
        Ok(gone)
    }

    /// Removes until `stop`. Rows and files fail apart.
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
            if pause == IDLE
                && let Err(error) = self.collect_once().await
            {
                tracing::debug!(%error, "no file was removed");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
