//! The heartbeat thread: one heartbeat for all leases every few seconds. It has a runtime of its
//! own, so that neither a busy executor nor a blocking handler lets a lease expire.

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use common::{
    limits::LEASE,
    store::{Store, WorkerRegistration},
};
use tokio::sync::{Notify, watch};

use crate::leases::Leases;

/// The pause before a heartbeat that a message hastened: the messages of a batch, or a flood of
/// forged ones, cost one heartbeat.
const AFTER_CANCEL: Duration = Duration::from_millis(50);

/// The heartbeat thread. It ends on [`HeartbeatThread::stop`], after a last heartbeat that says
/// that the worker is leaving.
pub struct HeartbeatThread {
    orders: watch::Sender<Order>,
    now: Arc<Notify>,
    first: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Continue,
    Drain,
    Stop,
}

impl HeartbeatThread {
    /// Starts the thread. It sends a heartbeat every `every`.
    pub fn start(
        store: Arc<dyn Store>,
        registration: WorkerRegistration,
        leases: Arc<Leases>,
        every: Duration,
    ) -> std::io::Result<Self> {
        let (orders, received) = watch::channel(Order::Continue);
        let (sent, first) = watch::channel(false);
        let now = Arc::new(Notify::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = Signals { orders: received, now: now.clone(), first: sent };
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            runtime.block_on(heartbeat_until_stopped(store, registration, leases, every, signals))
        })?;
        Ok(Self { orders, now, first, thread: Some(thread) })
    }

    /// Waits until the store has the first heartbeat. Before it, no dispatcher counts this worker's
    /// slots.
    pub async fn first(&self) {
        let mut first = self.first.clone();
        // The sender lives as long as the thread.
        let _ = first.wait_for(|sent| *sent).await;
    }

    /// Reports, now and with every heartbeat from now on, that this worker takes no new tasks.
    pub fn drain(&self) {
        self.orders.send_replace(Order::Drain);
        self.now.notify_one();
    }

    /// Ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.orders.send_replace(Order::Stop);
        self.now.notify_one();
        if let Some(thread) = self.thread.take() {
            // The panic hook has logged a panic of the thread.
            let _ = thread.join();
        }
    }
}

impl Drop for HeartbeatThread {
    fn drop(&mut self) {
        self.end();
    }
}

/// The receiving end of the thread's orders, with the way to confirm them.
struct Signals {
    orders: watch::Receiver<Order>,
    now: Arc<Notify>,
    first: watch::Sender<bool>,
}

async fn heartbeat_until_stopped(
    store: Arc<dyn Store>,
    mut registration: WorkerRegistration,
    leases: Arc<Leases>,
    every: Duration,
    signals: Signals,
) {
    loop {
        let order = *signals.orders.borrow();
        registration.draining = order != Order::Continue;
        let began = Instant::now();
        let pause = match heartbeat(&*store, &registration, &leases).await {
            true => {
                signals.first.send_replace(true);
                every.saturating_sub(began.elapsed())
            }
            false => Duration::from_millis(500),
        };
        if order == Order::Stop {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = signals.now.notified() => {}
            () = leases.hastened() => tokio::time::sleep(AFTER_CANCEL).await,
        }
    }
}

/// Sends one heartbeat, and returns whether the store accepted it. It is given up after a third of
/// a lease, so that the next one can still be in time.
async fn heartbeat(store: &dyn Store, registration: &WorkerRegistration, leases: &Leases) -> bool {
    let heartbeats = leases.heartbeats();
    match tokio::time::timeout(LEASE / 3, store.heartbeat(registration, &heartbeats, LEASE)).await {
        Ok(Ok(replies)) => {
            leases.handle_replies(&heartbeats, &replies);
            true
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a heartbeat failed");
            false
        }
        Err(_) => {
            tracing::warn!("a heartbeat took too long");
            false
        }
    }
}
