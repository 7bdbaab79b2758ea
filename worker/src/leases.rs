//! The leases this worker holds: what the heart heartbeats for, and whom a cancel reaches.

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

/// One running attempt.
#[derive(Debug)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub fence: Fence,
    /// How to end it early.
    pub stop: Stop,
    progress: Mutex<Option<Progress>>,
}

impl Lease {
    /// Keeps how far the attempt is, for the next heartbeat.
    pub fn report(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// How far it said it was.
    pub fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All running attempts of this worker.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<HashMap<TaskId, Arc<Lease>>>,
    emptied: Notify,
}

impl Leases {
    /// Takes up a lease; it is dropped with the guard.
    pub fn hold(self: &Arc<Self>, task: TaskId, fence: Fence) -> Held {
        let lease =
            Arc::new(Lease { task, fence, stop: Stop::default(), progress: Mutex::default() });
        self.lock().insert(task, lease.clone());
        Held { lease, leases: self.clone() }
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// A heartbeat for each.
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        let heartbeat = |lease: &Arc<Lease>| Heartbeat {
            task: lease.task,
            fence: lease.fence,
            progress: lease.progress(),
        };
        self.lock().values().map(heartbeat).collect()
    }

    /// Tells attempts what their heartbeat heard.
    pub fn hear(&self, heartbeats: &[Heartbeat], replies: &[HeartbeatReply]) {
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

    /// Asks these to stop, where they run here.
    pub fn cancel(&self, tasks: &[TaskId]) {
        let held = self.lock();
        tasks
            .iter()
            .filter_map(|task| held.get(task))
            .for_each(|lease| lease.stop.ask(Reason::Cancelled));
    }

    /// Asks all to stop.
    pub fn stop_all(&self, reason: Reason) {
        self.lock().values().for_each(|lease| lease.stop.ask(reason));
    }

    /// Waits until none is held.
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

/// A lease in use.
#[derive(Debug)]
pub struct Held {
    /// The lease.
    pub lease: Arc<Lease>,
    leases: Arc<Leases>,
}

impl Drop for Held {
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
    fn a_pulse_for_an_older_attempt_does_not_stop_the_newer_one() {
        let leases = Arc::new(Leases::default());
        let task = TaskId::new();
        let old = leases.hold(task, Fence(1));
        let heartbeats = leases.heartbeats();
        let new = leases.hold(task, Fence(2));
        leases.hear(&heartbeats, &[HeartbeatReply::Stale]);
        assert_eq!((old.lease.stop.reason(), new.lease.stop.reason()), (None, None));
        drop(old);
        assert_eq!(leases.len(), 1);
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
