//! Mends what got stuck and starts what is due: leases of dead workers, messages that the broker
//! lost, schedules, old rows. Several may run.

pub mod artifacts;
pub mod lost_messages;
pub mod retention;
pub mod schedules;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use common::{
    limits::SWEEP_EVERY,
    port::PortResult,
    store::{Store, SweepPolicy, Swept},
};
use tokio_util::sync::CancellationToken;

use self::{
    lost_messages::{LastTopology, LostMessages},
    schedules::ScheduleFirer,
};
use crate::{changes::ChangeNotifier, metrics::ProducerMetrics};

/// Runs the duties that mend and start work.
#[derive(Clone)]
pub struct Sweeper {
    pub store: Arc<dyn Store>,
    pub notifier: ChangeNotifier,
    pub metrics: ProducerMetrics,
    pub policy: SweepPolicy,
    pub messages: LostMessages,
    pub firer: ScheduleFirer,
}

impl Sweeper {
    /// Handles expired leases and jobs that did not start in time, one bounded step.
    pub async fn run_once(&self) -> PortResult<Swept> {
        let mut swept = self.store.sweep(self.policy).await?;
        self.metrics.leases_lost.inc_by(swept.lost.into());
        self.metrics.quarantined.inc_by(swept.quarantined.into());
        self.metrics.expired.inc_by(swept.expired.into());
        if swept.lost > 0 || swept.quarantined > 0 {
            tracing::warn!(lost = swept.lost, quarantined = swept.quarantined, "leases expired");
        }
        self.notifier.apply(std::mem::take(&mut swept.changes));
        Ok(swept)
    }

    /// Sweeps until `stop`. Each duty fails by itself: expired leases are handled while the broker
    /// is away.
    pub async fn run(self, stop: CancellationToken) {
        let mut last_topology = LastTopology::new(&self.messages);
        let (mut latest, mut away) = (None, false);
        while !stop.is_cancelled() {
            let swept = self.run_once().await;
            let fired = self.firer.run_once(&mut latest).await;
            let dispatched = self.messages.run_once(&mut last_topology).await;
            let full = swept.as_ref().is_ok_and(|swept| {
                swept.lost + swept.quarantined + swept.expired >= self.policy.most
            }) || fired.as_ref().is_ok_and(|fired| *fired >= schedules::MOST);
            match swept.map(|_| ()).and(fired.map(|_| ())).and(dispatched.map(|_| ())) {
                Ok(()) => away = false,
                Err(error) if !std::mem::replace(&mut away, true) => {
                    tracing::warn!(%error, "the sweeper waits")
                }
                Err(_) => {}
            }
            let pause = if full { Duration::ZERO } else { SWEEP_EVERY };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
