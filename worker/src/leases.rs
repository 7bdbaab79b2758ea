//! The leases that this worker holds. Heartbeats renew them and hear which attempt
//! is to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use common::{
    id::{Fence, TaskId},
    store::{Heartbeat, HeartbeatReply},
    view::Progress,
};
use tokio::sync::Notify;

use crate::stop::{Reason, Stop};

/// The lease of one running attempt.
#[derive(Debug)]
pub struct Lease {
    pub task: TaskId,
    pub fence: Fence,
    pub stop: Stop,
    progress: Mutex<Option<Progress>>,
}

impl Lease {
    /// Keeps the attempt's progress for the next heartbeat.
    pub fn report(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// Returns the newest progress.
    pub fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The leases of all running attempts of this worker.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<HashMap<TaskId, Arc<Lease>>>,
    emptied: Notify,
    hastened: Notify,
}

impl Leases {
    /// Adds a lease. It is removed when the guard is dropped.
    pub fn hold(self: &Arc<Self>, task: TaskId, fence: Fence) -> HeldLease {
        let lease =
            Arc::new(Lease { task, fence, stop: Stop::default(), progress: Mutex::default() });
        self.lock().insert(task, lease.clone());
        HeldLease { lease, leases: self.clone() }
    }

    /// Counts the leases.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns a heartbeat for each lease.
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        let heartbeat = |lease: &Arc<Lease>| Heartbeat {
            task: lease.task,
            fence: lease.fence,
            progress: lease.progress(),
        };
        self.lock().values().map(heartbeat).collect()
    }

    /// Stops the attempts that the heartbeat replies ask to stop.
    pub fn handle_replies(&self, heartbeats: &[Heartbeat], replies: &[HeartbeatReply]) {
        for (heartbeat, reply) in heartbeats.iter().zip(replies) {
            let reason = match reply {
                HeartbeatReply::Held => continue,
                HeartbeatReply::Cancel => Reason::Cancelled,
                HeartbeatReply::Stale => Reason::Abandoned,
            };
            // A newer attempt of the same task may have begun here since the heartbeat was made.
            if let Some(lease) =
                self.lock().get(&heartbeat.task).filter(|lease| lease.fence == heartbeat.fence)
            {
                lease.stop.ask(reason);
            }
        }
    }

    /// Asks for a heartbeat at once if one of these tasks runs here. A control message stops
    /// nothing by itself: the heartbeat's reply says whether the store wants the attempt to stop.
    pub fn hasten(&self, tasks: &[TaskId]) {
        let held = self.lock();
        if tasks.iter().any(|task| held.contains_key(task)) {
            self.hastened.notify_one();
        }
    }

    /// Waits until a heartbeat is asked for.
    pub async fn hastened(&self) {
        self.hastened.notified().await;
    }

    /// Asks all attempts to stop.
    pub fn stop_all(&self, reason: Reason) {
        self.lock().values().for_each(|lease| lease.stop.ask(reason));
    }

    /// Waits until no lease is held.
    pub async fn drained(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Lease>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a lease among the worker's leases until it is dropped.
#[derive(Debug)]
pub struct HeldLease {
    pub lease: Arc<Lease>,
    leases: Arc<Leases>,
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        if held.get(&self.lease.task).is_some_and(|lease| lease.fence == self.lease.fence) {
            held.remove(&self.lease.task);
        }
        if held.is_empty() {
            self.leases.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_for_an_older_attempt_does_not_stop_the_newer_one() {
        let leases = Arc::new(Leases::default());
        let task = TaskId::new();
        let old = leases.hold(task, Fence(1));
        let heartbeats = leases.heartbeats();
        let new = leases.hold(task, Fence(2));
        leases.handle_replies(&heartbeats, &[HeartbeatReply::Stale]);
        assert_eq!((old.lease.stop.reason(), new.lease.stop.reason()), (None, None));
        drop(old);
        assert_eq!(leases.len(), 1);
    }

    #[tokio::test]
    async fn a_message_to_cancel_hastens_a_heartbeat_whose_reply_alone_stops_the_attempt() {
        let leases = Arc::new(Leases::default());
        let held = leases.hold(TaskId::new(), Fence(1));
        leases.hasten(&[TaskId::new()]);
        assert!(futures::poll!(std::pin::pin!(leases.hastened())).is_pending());
        leases.hasten(&[TaskId::new(), held.lease.task]);
        assert!(futures::poll!(std::pin::pin!(leases.hastened())).is_ready());
        assert_eq!(held.lease.stop.reason(), None);
        leases.handle_replies(&leases.heartbeats(), &[HeartbeatReply::Held]);
        assert_eq!(held.lease.stop.reason(), None, "a forged message cancels nothing");
        leases.handle_replies(&leases.heartbeats(), &[HeartbeatReply::Cancel]);
        assert_eq!(held.lease.stop.reason(), Some(Reason::Cancelled));
    }

    #[tokio::test]
    async fn drained_waits_for_the_last_lease() {
        let leases = Arc::new(Leases::default());
        let held = leases.hold(TaskId::new(), Fence(1));
        let waiter = tokio::spawn({
            let leases = leases.clone();
            async move { leases.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(held);
        tokio::time::timeout(std::time::Duration::from_secs(30), waiter)
            .await
            .expect("in time")
            .expect("no panic");
    }
}
