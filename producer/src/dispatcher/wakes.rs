//! Notices that start a dispatcher's round early.

use common::queue::Queue;
use tokio::sync::Notify;

/// One coalescing notice for each queue: ten wakes before the next round count as one.
#[derive(Debug, Default)]
pub struct Wakes {
    notices: [Notify; Queue::ALL.len()],
}

impl Wakes {
    /// Wakes the queue's dispatcher: tasks may be ready.
    pub fn wake(&self, queue: Queue) {
        self.notices[queue as usize].notify_one();
    }

    /// Waits for a wake; one from before counts.
    pub async fn woken(&self, queue: Queue) {
        self.notices[queue as usize].notified().await;
    }
}
