//! Writes verdicts. The verdicts that arrive during one commit are the next group. A slot is free
//! only when its verdict is committed.

use std::{sync::Arc, time::Duration};

use backing::{announce::Announcer, group_commit::GroupCommit};
use backon::{BackoffBuilder, ExponentialBuilder};
use common::{
    id::WorkerId,
    limits::MAX_GROUP,
    outcome::Settlement,
    port::PortError,
    store::{Settled, Store},
};

/// Settles the tasks of one worker.
#[derive(Clone)]
pub struct Settler {
    group: GroupCommit<Settlement, Settled>,
}

impl Settler {
    /// Creates a settler that writes to `store` as `worker`, and announces the changes after each
    /// commit.
    pub fn new(store: Arc<dyn Store>, announcer: Announcer, worker: WorkerId) -> Self {
        let group = GroupCommit::new(MAX_GROUP, move |settlements: Vec<Settlement>| {
            let (store, announcer) = (store.clone(), announcer.clone());
            async move {
                let (settled, changes) = store.settle(worker, settlements).await?;
                announcer.announce(changes);
                Ok(settled)
            }
        });
        Self { group }
    }

    /// Writes one verdict. While the store is away it tries again, with pauses of up to a second:
    /// the lease may still be held when the store is back. Any other error is returned.
    ///
    /// A commit whose reply was lost is repeated, and then returns [`Settled::Stale`], because the
    /// task has settled already.
    pub async fn settle(&self, settlement: Settlement) -> Result<Settled, PortError> {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            match self.group.call(settlement.clone()).await {
                Err(error) if error.is_transient() => {
                    let task = settlement.task;
                    tracing::warn!(%task, %error, "a verdict waits for the store");
                    tokio::time::sleep(pauses.next().unwrap_or(Duration::from_secs(1))).await;
                }
                answer => return answer,
            }
        }
    }
}
