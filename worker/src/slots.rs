//! Slots bound the attempts of a queue that run at once. Run permits let a suspect task run with no
//! other beside it.

use std::sync::Arc;

use common::queue::Queue;
use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

/// The slots of one queue.
#[derive(Debug, Clone)]
pub struct Slots {
    pub queue: Queue,
    pub total: u32,
    free: Arc<Semaphore>,
}

/// One slot in use. It is free again on drop.
#[derive(Debug)]
pub struct Slot {
    pub queue: Queue,
    #[allow(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
}

impl Slots {
    /// Creates `total` free slots.
    pub fn new(queue: Queue, total: u32) -> Self {
        Self { queue, total, free: Arc::new(Semaphore::new(total as usize)) }
    }

    /// Takes a slot if one is free now.
    pub fn try_take(&self) -> Option<Slot> {
        self.free.clone().try_acquire_owned().ok().map(|permit| Slot { queue: self.queue, permit })
    }

    /// Waits for a free slot and takes it.
    pub async fn take(&self) -> Slot {
        match self.free.clone().acquire_owned().await {
            Ok(permit) => Slot { queue: self.queue, permit },
            Err(_) => std::future::pending().await, // The semaphore is never closed.
        }
    }
}

/// Lets the attempts of this process run at the same time, except a task that lost workers: it runs
/// with no other beside it.
#[derive(Debug, Clone, Default)]
pub struct RunPermits(Arc<RwLock<()>>);

/// The permission to run, which an attempt holds until it ends.
#[derive(Debug)]
#[allow(dead_code, reason = "held for its drop")]
pub enum RunPermit {
    Shared(OwnedRwLockReadGuard<()>),
    Exclusive(OwnedRwLockWriteGuard<()>),
}

impl RunPermits {
    /// Waits until the attempt may run. A shared permit is granted at once, unless an exclusive one
    /// is held or waited for.
    pub async fn acquire(&self, exclusive: bool) -> RunPermit {
        match exclusive {
            true => RunPermit::Exclusive(self.0.clone().write_owned().await),
            false => RunPermit::Shared(self.0.clone().read_owned().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_exclusive_permit_waits_for_shared_ones_and_keeps_new_ones_out() {
        let permits = RunPermits::default();
        let first = permits.acquire(false).await;
        let exclusive = tokio::spawn({
            let permits = permits.clone();
            async move { permits.acquire(true).await }
        });
        tokio::task::yield_now().await;
        assert!(!exclusive.is_finished());
        drop(first);
        let exclusive = exclusive.await.expect("no panic");
        let second = tokio::spawn(async move { permits.acquire(false).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(exclusive);
        second.await.expect("no panic");
    }
}
