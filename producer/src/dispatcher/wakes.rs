//! The notices that make dispatchers look before their poll is due.

use common::queue::Queue;
use tokio::sync::Notify;

/// One coalescing notice for each queue: ten pokes before the dispatcher looks are one.
#[derive(Debug, Default)]
pub struct Wakes {
    notices: [Notify; Queue::ALL.len()],
}

impl Wakes {
    /// Tasks of this queue may be ready.
    pub fn poke(&self, queue: Queue) {
        self.notices[queue as usize].notify_one();
    }

    /// Waits until someone pokes; a poke from before counts.
    pub async fn poked(&self, queue: Queue) {
        self.notices[queue as usize].notified().await;
    }
}
