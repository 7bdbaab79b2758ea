//! The notices that make dispatchers look before their poll is due.

use common::kind::Class;
use tokio::sync::Notify;

/// One coalescing notice for each class: ten pokes before the dispatcher looks are one.
#[derive(Debug, Default)]
pub struct Wakes {
    notices: [Notify; Class::ALL.len()],
}

impl Wakes {
    /// Tasks of this class may be ready.
    pub fn poke(&self, class: Class) {
        self.notices[class as usize].notify_one();
    }

    /// Waits until someone pokes; a poke from before counts.
    pub async fn poked(&self, class: Class) {
        self.notices[class as usize].notified().await;
    }
}
