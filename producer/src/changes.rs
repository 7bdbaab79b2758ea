//! Follow-up of a committed write: dispatchers of this process wake, and the view cache and the
//! fleet are notified.

use std::sync::Arc;

use backing::announce::Announcer;
use common::store::Changes;

use crate::dispatcher::{credit::Credits, wakes::Wakes};

/// Publishes the changes of every write to the store.
#[derive(Clone)]
pub struct ChangeNotifier {
    announcer: Announcer,
    wakes: Arc<Wakes>,
    credits: Arc<Credits>,
}

impl ChangeNotifier {
    /// Notifies through `announcer` and wakes through `wakes`.
    pub fn new(announcer: Announcer, wakes: Arc<Wakes>, credits: Arc<Credits>) -> Self {
        Self { announcer, wakes, credits }
    }

    /// Publishes the changes of a write.
    ///
    /// Queues with ready tasks are not announced to the fleet: the dispatcher of this process takes
    /// them, and other processes would find nothing left.
    pub fn apply(&self, mut changes: Changes) {
        for queue in std::mem::take(&mut changes.readied) {
            self.credits.close(queue);
            self.wakes.wake(queue);
        }
        self.announcer.announce(changes);
    }

    /// Waits until all notifications are sent.
    pub async fn flush(&self) {
        self.announcer.flush().await;
    }
}
