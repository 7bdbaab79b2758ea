//! An unreliable broker for tests: it injects faults of networks and crashes, chosen by a seed.
//!
//! It wraps any broker. RabbitMQ may do all that it does: lose a message after its confirm (a
//! deleted queue), refuse one that arrives all the same (a lost confirm), duplicate, delay and
//! reorder messages, cut off a consumer with unacked deliveries. Over it every task must still
//! settle exactly once.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    port::{
        PortError, PortResult,
        broker::{Broker, Control, ControlStream, Deliveries, Delivery, DeliveryTag, TaskMessage},
    },
    queue::Queue,
};
use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::sync::watch;

/// The probability of each fault, 0 to 1, for each message, batch or call. The first fault that
/// applies to a message decides.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRates {
    /// A message is not confirmed. Half of these are in the queue all the same.
    pub refuse: f64,
    /// A message is confirmed and lost.
    pub lose: f64,
    /// A message is confirmed and arrives after a delay from `delays`.
    pub delay: f64,
    /// Delays of late messages, by tokio's clock, which a test may pause.
    pub delays: Range<Duration>,
    /// A message arrives twice.
    pub duplicate: f64,
    /// A batch of messages is shuffled.
    pub reorder: f64,
    /// A control message reaches no listener.
    pub mute: f64,
    /// An ack fails, and its deliveries stay unacked.
    pub fail_ack: f64,
}

impl FaultRates {
    /// No faults.
    pub fn none() -> Self {
        let delays = Duration::from_millis(1)..Duration::from_millis(200);
        Self {
            refuse: 0.0,
            lose: 0.0,
            delay: 0.0,
            delays,
            duplicate: 0.0,
            reorder: 0.0,
            mute: 0.0,
            fail_ack: 0.0,
        }
    }

    /// Some of every fault.
    pub fn rough() -> Self {
        Self {
            refuse: 0.1,
            lose: 0.1,
            delay: 0.2,
            duplicate: 0.2,
            reorder: 0.5,
            mute: 0.3,
            fail_ack: 0.05,
            ..Self::none()
        }
    }
}

/// Counts of injected faults, so that a test can assert that there were some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InjectedFaults {
    /// Task messages that were not confirmed.
    pub refused: u64,
    /// Task messages that were confirmed and lost.
    pub lost: u64,
    /// Task messages that arrived late.
    pub delayed: u64,
    /// Task messages that arrived twice.
    pub duplicated: u64,
    /// Control messages that reached no listener.
    pub muted: u64,
    /// Acks that failed.
    pub failed_acks: u64,
}

/// An unreliable broker around a reliable one.
#[derive(Clone)]
pub struct FaultyBroker {
    inner: Arc<dyn Broker>,
    injector: Arc<Mutex<FaultInjector>>,
    network: Arc<watch::Sender<NetworkState>>,
}

/// Chooses faults, and counts them.
struct FaultInjector {
    rates: FaultRates,
    random: StdRng,
    injected: InjectedFaults,
}

/// The network between this broker and the one inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct NetworkState {
    is_down: bool,
    cuts: u64,
}

/// The fate of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MessageFate {
    Arrives { times: u8, confirmed: bool },
    Late(Duration),
    Lost { confirmed: bool },
}

impl FaultyBroker {
    /// Wraps `inner`. The same seed and the same calls meet the same faults.
    pub fn new(inner: Arc<dyn Broker>, rates: FaultRates, seed: u64) -> Self {
        let injector = FaultInjector {
            rates,
            random: StdRng::seed_from_u64(seed),
            injected: InjectedFaults::default(),
        };
        let network = Arc::new(watch::Sender::default());
        Self { inner, injector: Arc::new(Mutex::new(injector)), network }
    }

    /// Changes the rates from now on.
    pub fn set(&self, rates: FaultRates) {
        self.injector.lock().rates = rates;
    }

    /// Counts of the faults so far.
    pub fn injected(&self) -> InjectedFaults {
        self.injector.lock().injected
    }

    /// Cuts every consumer off once: its unacked messages are delivered again, and its tags are
    /// void.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// Takes the broker down, or up again. While it is down, publishes are unconfirmed, calls fail
    /// and consumers wait.
    pub fn set_down(&self, is_down: bool) {
        self.network.send_modify(|network| network.is_down = is_down);
    }

    fn reachable(&self) -> PortResult<()> {
        if self.network.borrow().is_down {
            Err(PortError::unavailable("the faulty broker", "it was taken down"))
        } else {
            Ok(())
        }
    }

    fn publish_late(&self, message: TaskMessage, delay: Duration) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            inner.publish(&[message]).await;
        });
    }
}

impl FaultInjector {
    fn happens(&mut self, rate: fn(&FaultRates) -> f64) -> bool {
        let probability = rate(&self.rates);
        self.random.random_bool(probability)
    }

    fn message_fate(&mut self) -> MessageFate {
        if self.happens(|rates| rates.refuse) {
            self.injected.refused += 1;
            let arrives = self.random.random_bool(0.5);
            return if arrives {
                MessageFate::Arrives { times: 1, confirmed: false }
            } else {
                MessageFate::Lost { confirmed: false }
            };
        }
        if self.happens(|rates| rates.lose) {
            self.injected.lost += 1;
            return MessageFate::Lost { confirmed: true };
        }
        if self.happens(|rates| rates.delay) {
            self.injected.delayed += 1;
            let delays = self.rates.delays.clone();
            return MessageFate::Late(self.random.random_range(delays));
        }
        let is_duplicate = self.happens(|rates| rates.duplicate);
        self.injected.duplicated += u64::from(is_duplicate);
        MessageFate::Arrives { times: 1 + u8::from(is_duplicate), confirmed: true }
    }

    /// The order in which a batch reaches the queue.
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        if self.happens(|rates| rates.reorder) {
            order.shuffle(&mut self.random);
        }
        order
    }
}

#[async_trait]
impl Broker for FaultyBroker {
    async fn publish(&self, messages: &[TaskMessage]) -> Vec<bool> {
        if self.reachable().is_err() {
            return vec![false; messages.len()];
        }
        let (fates, order) = {
            let mut injector = self.injector.lock();
            let fates: Vec<_> = messages.iter().map(|_| injector.message_fate()).collect();
            (fates, injector.order(messages.len()))
        };
        let mut confirmed = vec![false; messages.len()];
        for index in order {
            let message = &messages[index];
            confirmed[index] = match fates[index] {
                MessageFate::Lost { confirmed } => confirmed,
                MessageFate::Late(delay) => {
                    self.publish_late(message.clone(), delay);
                    true
                }
                MessageFate::Arrives { times, confirmed } => {
                    let copies = vec![message.clone(); usize::from(times)];
                    let published = self.inner.publish(&copies).await;
                    confirmed && published.contains(&true)
                }
            };
        }
        confirmed
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        self.reachable()?;
        let network = self.network.subscribe();
        let cuts = network.borrow().cuts;
        let inner = Some(self.inner.consume(queue, prefetch).await?);
        let broker = self.clone();
        Ok(Box::new(FaultyDeliveries { broker, queue, prefetch, inner, network, cuts }))
    }

    async fn depth(&self, queue: Queue) -> PortResult<u64> {
        self.reachable()?;
        self.inner.depth(queue).await
    }

    async fn dead_letters(&self) -> PortResult<u64> {
        self.reachable()?;
        self.inner.dead_letters().await
    }

    fn topology_generation(&self) -> u64 {
        self.inner.topology_generation()
    }

    async fn notify(&self, message: &Control) -> PortResult<()> {
        self.reachable()?;
        let is_muted = {
            let mut injector = self.injector.lock();
            let is_muted = injector.happens(|rates| rates.mute);
            injector.injected.muted += u64::from(is_muted);
            is_muted
        };
        if is_muted { Ok(()) } else { self.inner.notify(message).await }
    }

    async fn listen(&self) -> PortResult<Box<dyn ControlStream>> {
        self.reachable()?;
        self.inner.listen().await
    }

    async fn check(&self) -> PortResult<()> {
        self.reachable()?;
        self.inner.check().await
    }
}

/// A consumer that its broker can cut off, and that attaches again by itself.
struct FaultyDeliveries {
    broker: FaultyBroker,
    queue: Queue,
    prefetch: u16,
    inner: Option<Box<dyn Deliveries>>,
    network: watch::Receiver<NetworkState>,
    cuts: u64,
}

impl FaultyDeliveries {
    /// Drops a consumer that was cut off, so that its unacked messages go back, and attaches again
    /// when the broker is up.
    async fn attached(&mut self) -> &mut Box<dyn Deliveries> {
        loop {
            let network = *self.network.borrow_and_update();
            if network.is_down || network.cuts != self.cuts {
                self.inner = None;
                self.cuts = network.cuts;
            }
            if self.inner.is_none() && !network.is_down {
                self.inner = self.broker.inner.consume(self.queue, self.prefetch).await.ok();
            }
            if self.inner.is_some() {
                break;
            }
            // `self.broker` owns the sender, so this never fails.
            let _ = self.network.changed().await;
        }
        self.inner.as_mut().expect("the loop ends with one")
    }
}

#[async_trait]
impl Deliveries for FaultyDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            let mut network = self.network.clone();
            let inner = self.attached().await;
            tokio::select! {
                biased;
                _ = network.changed() => {}
                taken = inner.next(most) => return taken,
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let fails = {
            let mut injector = self.broker.injector.lock();
            let fails = injector.happens(|rates| rates.fail_ack);
            injector.injected.failed_acks += u64::from(fails);
            fails
        };
        self.broker.reachable()?;
        match (&mut self.inner, fails) {
            (Some(inner), false) => inner.ack(tags).await,
            _ => Err(PortError::unavailable("the faulty broker", "the ack was lost")),
        }
    }
}
