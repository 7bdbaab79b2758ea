//! Keeps the leases: one heartbeat for all of them, every few seconds, from a thread and a runtime of its own, so that neither a busy
//! executor nor a handler that blocks can let a lease run out.

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

/// The beating thread. It ends when [`HeartbeatThread::stop`] is called, after a last heartbeat that says the worker is leaving.
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
    /// Starts to heartbeat, so often.
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

    /// Waits until the store has heard the first heartbeat: until then no dispatcher counts this worker's slots.
    pub async fn first(&self) {
        let mut first = self.first.clone();
        // The sender lives as long as the thread.
        let _ = first.wait_for(|sent| *sent).await;
    }

    /// Tells the store, now and with every heartbeat from now on, that this worker takes nothing new.
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
            // A panic there has been logged by the panic hook; there is nothing to add.
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
        }
    }
}

/// One heartbeat; whether the store heard it. A heartbeat that takes a third of a lease is given up, so that the next can still come in time.
async fn heartbeat(store: &dyn Store, registration: &WorkerRegistration, leases: &Leases) -> bool {
    let heartbeats = leases.heartbeats();
    match tokio::time::timeout(LEASE / 3, store.heartbeat(registration, &heartbeats, LEASE)).await {
        Ok(Ok(replies)) => {
            leases.hear(&heartbeats, &replies);
            true
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a heartbeat was not heard");
            false
        }
        Err(_) => {
            tracing::warn!("a heartbeat took too long");
            false
        }
    }
}
