//! What follows a committed write of ours: dispatchers of this process look, everybody else is told.

use std::sync::Arc;

use backing::announce::Announcer;
use common::port::store::Moved;

use crate::dispatcher::{credit::Credits, wakes::Wakes};

/// Applied after every write to the store.
#[derive(Clone)]
pub struct Movements {
    announcer: Announcer,
    wakes: Arc<Wakes>,
    credits: Arc<Credits>,
}

impl Movements {
    /// Tells through `announcer`, wakes through `wakes`.
    pub fn new(announcer: Announcer, wakes: Arc<Wakes>, credits: Arc<Credits>) -> Self {
        Self { announcer, wakes, credits }
    }

    /// Applies what a write moved.
    ///
    /// Readied classes are not told to the fleet: a dispatcher runs in this very process, and other processes' rounds would find
    /// nothing that ours does not take.
    pub fn apply(&self, mut moved: Moved) {
        for class in std::mem::take(&mut moved.readied) {
            self.credits.close(class);
            self.wakes.poke(class);
        }
        self.announcer.announce(moved);
    }

    /// Waits until all was told.
    pub async fn flush(&self) {
        self.announcer.flush().await;
    }
}
