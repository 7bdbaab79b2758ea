//! A broker for tests that does to messages what networks and crashes do, by a seed.
//!
//! It wraps any broker. Everything it does is something RabbitMQ may do too: a message lost after its confirm (a queue deleted), one
//! refused that arrives all the same (a confirm lost on the way), duplicates, late and reordered messages, a consumer cut off with
//! deliveries unacked. Whatever runs over it must settle every task exactly once.

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

/// The chance of each fault, 0 to 1, for each message, batch or call; the first that applies to a message decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// A message is answered `false`; every other one of these is in the queue all the same.
    pub refuse: f64,
    /// A message is answered `true` and lost.
    pub lose: f64,
    /// A message is answered `true` and comes after a pause from `pause`.
    pub delay: f64,
    /// How long delayed messages are late (tokio's clock, so a paused one works).
    pub pause: Range<Duration>,
    /// A message is there twice.
    pub duplicate: f64,
    /// A batch of messages is shuffled.
    pub reorder: f64,
    /// A control message is told to nobody.
    pub mute: f64,
    /// An ack fails, and its deliveries stay unacked.
    pub fail_ack: f64,
}

impl Faults {
    /// None at all.
    pub fn none() -> Self {
        let pause = Duration::from_millis(1)..Duration::from_millis(200);
        Self {
            refuse: 0.0,
            lose: 0.0,
            delay: 0.0,
            pause,
            duplicate: 0.0,
            reorder: 0.0,
            mute: 0.0,
            fail_ack: 0.0,
        }
    }

    /// Some of everything.
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

/// What was done so far, so that a test can insist that something was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    /// TaskMessages answered `false`.
    pub refused: u64,
    /// TaskMessages answered `true` and lost.
    pub lost: u64,
    /// TaskMessages that came late.
    pub delayed: u64,
    /// TaskMessages that came twice.
    pub duplicated: u64,
    /// Control messages told to nobody.
    pub muted: u64,
    /// Acks that failed.
    pub failed_acks: u64,
}

/// Any broker, made unreliable.
#[derive(Clone)]
pub struct FaultyBroker {
    inner: Arc<dyn Broker>,
    fate: Arc<Mutex<Fate>>,
    link: Arc<watch::Sender<Link>>,
}

struct Fate {
    faults: Faults,
    chance: StdRng,
    injected: Injected,
}

/// The network between this double and the broker behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Link {
    down: bool,
    cuts: u64,
}

/// The fate of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lot {
    Arrives { times: u8, confirmed: bool },
    Late(Duration),
    Lost { confirmed: bool },
}

impl FaultyBroker {
    /// `inner` under these faults; the same seed and the same calls meet the same fate.
    pub fn new(inner: Arc<dyn Broker>, faults: Faults, seed: u64) -> Self {
        let fate =
            Fate { faults, chance: StdRng::seed_from_u64(seed), injected: Injected::default() };
        Self { inner, fate: Arc::new(Mutex::new(fate)), link: Arc::new(watch::Sender::default()) }
    }

    /// Other faults from now on.
    pub fn set(&self, faults: Faults) {
        self.fate.lock().faults = faults;
    }

    /// What was done so far.
    pub fn injected(&self) -> Injected {
        self.fate.lock().injected
    }

    /// Cuts every consumer off once: what they hold unacked comes again, and their tags are worth nothing.
    pub fn cut(&self) {
        self.link.send_modify(|link| link.cuts += 1);
    }

    /// Takes the broker away, or gives it back: while it is away publishes are unconfirmed, calls fail and consumers wait.
    pub fn set_down(&self, down: bool) {
        self.link.send_modify(|link| link.down = down);
    }

    fn reachable(&self) -> PortResult<()> {
        let down = self.link.borrow().down;
        if down {
            Err(PortError::unavailable("the faulty broker", "it was taken away"))
        } else {
            Ok(())
        }
    }

    fn deliver_late(&self, message: TaskMessage, pause: Duration) {
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            inner.publish(&[message]).await;
        });
    }
}

impl Fate {
    fn meets(&mut self, chance_of: fn(&Faults) -> f64) -> bool {
        let chance = chance_of(&self.faults);
        self.chance.random_bool(chance)
    }

    fn draw(&mut self) -> Lot {
        if self.meets(|faults| faults.refuse) {
            self.injected.refused += 1;
            let arrives = self.chance.random_bool(0.5);
            return if arrives {
                Lot::Arrives { times: 1, confirmed: false }
            } else {
                Lot::Lost { confirmed: false }
            };
        }
        if self.meets(|faults| faults.lose) {
            self.injected.lost += 1;
            return Lot::Lost { confirmed: true };
        }
        if self.meets(|faults| faults.delay) {
            self.injected.delayed += 1;
            let pause = self.faults.pause.clone();
            return Lot::Late(self.chance.random_range(pause));
        }
        let twice = self.meets(|faults| faults.duplicate);
        self.injected.duplicated += u64::from(twice);
        Lot::Arrives { times: 1 + u8::from(twice), confirmed: true }
    }

    /// The order in which a batch reaches the queue.
    fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        if self.meets(|faults| faults.reorder) {
            order.shuffle(&mut self.chance);
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
        let (lots, order) = {
            let mut fate = self.fate.lock();
            let lots: Vec<Lot> = messages.iter().map(|_| fate.draw()).collect();
            (lots, fate.order(messages.len()))
        };
        let mut confirmed = vec![false; messages.len()];
        for index in order {
            let message = &messages[index];
            confirmed[index] = match lots[index] {
                Lot::Lost { confirmed } => confirmed,
                Lot::Late(pause) => {
                    self.deliver_late(message.clone(), pause);
                    true
                }
                Lot::Arrives { times, confirmed } => {
                    let copies = vec![message.clone(); usize::from(times)];
                    let there = self.inner.publish(&copies).await;
                    confirmed && there.contains(&true)
                }
            };
        }
        confirmed
    }

    async fn consume(&self, queue: Queue, prefetch: u16) -> PortResult<Box<dyn Deliveries>> {
        self.reachable()?;
        let link = self.link.subscribe();
        let cuts = link.borrow().cuts;
        let inner = Some(self.inner.consume(queue, prefetch).await?);
        Ok(Box::new(FaultyDeliveries { broker: self.clone(), queue, prefetch, inner, link, cuts }))
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
        let muted = {
            let mut fate = self.fate.lock();
            let muted = fate.meets(|faults| faults.mute);
            fate.injected.muted += u64::from(muted);
            muted
        };
        if muted { Ok(()) } else { self.inner.notify(message).await }
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

/// A consumer that is cut off when its broker says so, and comes back by itself.
struct FaultyDeliveries {
    broker: FaultyBroker,
    queue: Queue,
    prefetch: u16,
    inner: Option<Box<dyn Deliveries>>,
    link: watch::Receiver<Link>,
    cuts: u64,
}

impl FaultyDeliveries {
    /// Drops what was cut, so that its unacked messages go back, and attaches again when there is something to attach to.
    async fn attached(&mut self) -> &mut Box<dyn Deliveries> {
        loop {
            let link = *self.link.borrow_and_update();
            if link.down || link.cuts != self.cuts {
                self.inner = None;
                self.cuts = link.cuts;
            }
            if self.inner.is_none() && !link.down {
                self.inner = self.broker.inner.consume(self.queue, self.prefetch).await.ok();
            }
            if self.inner.is_some() {
                break;
            }
            // The sender lives in `self.broker`, so this never fails.
            let _ = self.link.changed().await;
        }
        self.inner.as_mut().expect("the loop ends with one")
    }
}

#[async_trait]
impl Deliveries for FaultyDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Delivery> {
        loop {
            let mut link = self.link.clone();
            let inner = self.attached().await;
            tokio::select! {
                biased;
                _ = link.changed() => {}
                taken = inner.next(most) => return taken,
            }
        }
    }

    async fn ack(&mut self, tags: &[DeliveryTag]) -> PortResult<()> {
        let fails = {
            let mut fate = self.broker.fate.lock();
            let fails = fate.meets(|faults| faults.fail_ack);
            fate.injected.failed_acks += u64::from(fails);
            fails
        };
        self.broker.reachable()?;
        match (&mut self.inner, fails) {
            (Some(inner), false) => inner.ack(tags).await,
            _ => Err(PortError::unavailable("the faulty broker", "the ack was lost")),
        }
    }
}
