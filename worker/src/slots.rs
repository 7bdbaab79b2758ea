//! Slots: how many attempts of a queue run side by side, and the rule that a suspect runs alone.

use std::sync::Arc;

use common::queue::Queue;
use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore,
};

/// The slots of one queue.
#[derive(Debug, Clone)]
pub struct Slots {
    /// The queue.
    pub queue: Queue,
    /// How many there are.
    pub total: u32,
    free: Arc<Semaphore>,
}

/// One slot in use; free again when dropped.
#[derive(Debug)]
pub struct Slot {
    /// Whose slot it is.
    pub queue: Queue,
    #[allow(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
}

impl Slots {
    /// So many slots, all free.
    pub fn new(queue: Queue, total: u32) -> Self {
        Self { queue, total, free: Arc::new(Semaphore::new(total as usize)) }
    }

    /// A slot, if one is free now.
    pub fn try_take(&self) -> Option<Slot> {
        self.free.clone().try_acquire_owned().ok().map(|permit| Slot { queue: self.queue, permit })
    }

    /// A slot, as soon as one is free.
    pub async fn take(&self) -> Slot {
        match self.free.clone().acquire_owned().await {
            Ok(permit) => Slot { queue: self.queue, permit },
            Err(_) => std::future::pending().await, // Never closed.
        }
    }
}

/// Who else runs in this process: anybody (most attempts), or nobody (a task that workers died of before).
#[derive(Debug, Clone, Default)]
pub struct Company(Arc<RwLock<()>>);

/// Held while an attempt runs.
#[derive(Debug)]
#[allow(dead_code, reason = "held for its drop")]
pub enum Presence {
    /// Beside others.
    Beside(OwnedRwLockReadGuard<()>),
    /// With no neighbour.
    Alone(OwnedRwLockWriteGuard<()>),
}

impl Company {
    /// Waits until the attempt may run: at once, unless somebody runs alone or wants to.
    pub async fn join(&self, alone: bool) -> Presence {
        match alone {
            true => Presence::Alone(self.0.clone().write_owned().await),
            false => Presence::Beside(self.0.clone().read_owned().await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_runs_alone_waits_for_the_others_and_keeps_new_ones_out() {
        let company = Company::default();
        let first = company.join(false).await;
        let alone = tokio::spawn({
            let company = company.clone();
            async move { company.join(true).await }
        });
        tokio::task::yield_now().await;
        assert!(!alone.is_finished());
        drop(first);
        let alone = alone.await.expect("no panic");
        let second = tokio::spawn(async move { company.join(false).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(alone);
        second.await.expect("no panic");
    }
}
