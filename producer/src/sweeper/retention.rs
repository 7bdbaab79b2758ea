//! Removes old rows and files in small steps with pauses, so that it never delays work.

use std::{sync::Arc, time::Duration};

use common::{
    port::PortResult,
    store::{Retention, Store},
};
use tokio_util::sync::CancellationToken;

use super::artifacts::ArtifactCollector;
use crate::metrics::ProducerMetrics;

/// Pause after a step that found little.
const IDLE: Duration = Duration::from_secs(60);
/// Pause between full steps: leaves the store to others most of the time.
const BUSY: Duration = Duration::from_millis(200);

/// Removes old rows and files of one process.
#[derive(Clone)]
pub struct Retainer {
    pub store: Arc<dyn Store>,
    /// Age limits and the size of a step.
    pub retention: Retention,
    pub collector: ArtifactCollector,
    pub metrics: ProducerMetrics,
}

impl Retainer {
    /// Runs one step; returns the number of removed rows.
    pub async fn run_once(&self) -> PortResult<u64> {
        let gone = self.store.retain(self.retention).await?;
        self.metrics.retained.inc_by(gone);
        Ok(gone)
    }

    /// Sweeps one slice of the files; returns the number of removed files.
    pub async fn collect_once(&self) -> PortResult<u64> {
        let gone = self.collector.run_once().await?;
        self.metrics.collected.inc_by(gone);
        Ok(gone)
    }

    /// Removes until `stop`. Rows and files fail by themselves.
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
