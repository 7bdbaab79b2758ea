//! What follows a committed write of ours: dispatchers of this process look, everybody else is told.

use std::sync::Arc;

use backing::announce::Announcer;
use common::store::Changes;

use crate::dispatcher::{credit::Credits, wakes::Wakes};

/// Applied after every write to the store.
#[derive(Clone)]
pub struct ChangeNotifier {
    announcer: Announcer,
    wakes: Arc<Wakes>,
    credits: Arc<Credits>,
}

impl ChangeNotifier {
    /// Tells through `announcer`, wakes through `wakes`.
    pub fn new(announcer: Announcer, wakes: Arc<Wakes>, credits: Arc<Credits>) -> Self {
        Self { announcer, wakes, credits }
    }

    /// Applies what a write changes.
    ///
    /// Readied queues are not told to the fleet: a dispatcher runs in this very process, and other processes' rounds would find
    /// nothing that ours does not take.
    pub fn apply(&self, mut changes: Changes) {
        for queue in std::mem::take(&mut changes.readied) {
            self.credits.close(queue);
            self.wakes.poke(queue);
        }
        self.announcer.announce(changes);
    }

    /// Waits until all was told.
    pub async fn flush(&self) {
        self.announcer.flush().await;
    }
}
