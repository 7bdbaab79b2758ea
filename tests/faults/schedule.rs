//! What is broken when: decided by a seed, before anything runs.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

/// Which of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKind {
    Postgres,
    RabbitMq,
    Redis,
}

/// What befalls a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    Kill,
    Freeze,
    CutOff,
}

/// A process of the fleet, by its place in it.
pub type ProcessIndex = usize;

/// Something that breaks. A time is how long it stays broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; another is started after a while.
    Kill(ProcessIndex, Duration),
    /// `SIGSTOP`, and `SIGCONT` after more than a lease.
    Freeze(ProcessIndex, Duration),
    /// `SIGTERM`; it must end in order, and another is started.
    Drain(ProcessIndex),
    /// All connections between a process and a server are closed.
    Cut(ProcessIndex, ServerKind),
    /// They stay open and carry nothing any more.
    HalfOpen(ProcessIndex, ServerKind),
    /// They are closed, and new ones too, for a while.
    Unreachable(ProcessIndex, ServerKind, Duration),
    /// A server is stopped in order and started.
    Restart(ServerKind),
    /// A server is killed and started.
    Crash(ServerKind, Duration),
    /// RabbitMQ is there and does not answer.
    Silence(Duration),
    /// The node of a cluster that leads a queue is killed, frozen, or cut off from the others.
    Leader(NodeFault, Duration),
    /// All messages of all queues are thrown away.
    Purge,
    /// All queues are deleted.
    DeleteQueues,
    /// PostgreSQL ends the backends of all connections of the fleet.
    TerminateBackends,
    /// Redis forgets everything.
    Flush,
}

/// What a fault needs for itself while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Process(ProcessIndex),
    Server(ServerKind),
}

impl Fault {
    /// Of which there can be only one at a time.
    pub fn target(self) -> Target {
        match self {
            Self::Kill(place, _) | Self::Freeze(place, _) | Self::Drain(place) => {
                Target::Process(place)
            }
            Self::Cut(place, _) | Self::HalfOpen(place, _) | Self::Unreachable(place, ..) => {
                Target::Process(place)
            }
            Self::Restart(part) | Self::Crash(part, _) => Target::Server(part),
            Self::Silence(_) | Self::Leader(..) | Self::Purge | Self::DeleteQueues => {
                Target::Server(ServerKind::RabbitMq)
            }
            Self::TerminateBackends => Target::Server(ServerKind::Postgres),
            Self::Flush => Target::Server(ServerKind::Redis),
        }
    }

    /// About how long it lasts, the way back included.
    fn lasts(self) -> Duration {
        let on_top = match self {
            Self::Restart(ServerKind::RabbitMq) | Self::Crash(ServerKind::RabbitMq, _) => 12,
            Self::Leader(..) => 20,
            Self::Restart(_) | Self::Crash(..) => 4,
            _ => 1,
        };
        Duration::from_secs(on_top) + self.parameter()
    }

    fn parameter(self) -> Duration {
        match self {
            Self::Kill(_, time)
            | Self::Freeze(_, time)
            | Self::Crash(_, time)
            | Self::Silence(time) => time,
            Self::Unreachable(_, _, time) | Self::Leader(_, time) => time,
            _ => Duration::ZERO,
        }
    }

    /// Its row in the summary.
    pub fn name(self) -> String {
        match self {
            Self::Kill(..) => "process: kill -9".to_owned(),
            Self::Freeze(..) => "process: SIGSTOP past a lease".to_owned(),
            Self::Drain(_) => "process: SIGTERM".to_owned(),
            Self::Cut(_, part) => format!("connections cut: {part}"),
            Self::HalfOpen(_, part) => format!("connections half-open: {part}"),
            Self::Unreachable(_, part, _) => format!("unreachable: {part}"),
            Self::Restart(part) => format!("{part}: restart"),
            Self::Crash(part, _) => format!("{part}: kill -9"),
            Self::Silence(_) => "RabbitMQ: SIGSTOP".to_owned(),
            Self::Leader(NodeFault::Kill, _) => "RabbitMQ: leader kill -9".to_owned(),
            Self::Leader(NodeFault::Freeze, _) => "RabbitMQ: leader SIGSTOP".to_owned(),
            Self::Leader(NodeFault::CutOff, _) => "RabbitMQ: leader cut off".to_owned(),
            Self::Purge => "RabbitMQ: queues purged".to_owned(),
            Self::DeleteQueues => "RabbitMQ: queues deleted".to_owned(),
            Self::TerminateBackends => "PostgreSQL: backends terminated".to_owned(),
            Self::Flush => "Redis: flushed".to_owned(),
        }
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::RabbitMq => "RabbitMQ",
            Self::Redis => "Redis",
        })
    }
}

/// How many processes there are: the first are producers, the rest workers.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub producers: usize,
    pub workers: usize,
    /// Set if RabbitMQ is three nodes.
    pub cluster: bool,
}

impl Shape {
    fn worker(self, die: &mut impl Rng) -> ProcessIndex {
        self.producers + die.random_range(0..self.workers)
    }

    fn producer(self, die: &mut impl Rng) -> ProcessIndex {
        die.random_range(0..self.producers)
    }

    fn anyone(self, die: &mut impl Rng) -> ProcessIndex {
        die.random_range(0..self.producers + self.workers)
    }
}

/// Every kind of fault, once. Dealt like cards, so that a short run meets all of them and a long one meets them equally often.
fn deck(shape: Shape, die: &mut impl Rng) -> Vec<Fault> {
    let seconds = |die: &mut _, from: u64, to: u64| {
        Duration::from_millis(Rng::next_u64(die) % ((to - from) * 1000) + from * 1000)
    };
    let mut deck = vec![
        Fault::Kill(shape.worker(die), seconds(die, 0, 3)),
        Fault::Kill(shape.worker(die), seconds(die, 0, 3)),
        Fault::Kill(shape.producer(die), seconds(die, 0, 3)),
        Fault::Freeze(shape.worker(die), seconds(die, 11, 15)),
        Fault::Freeze(shape.producer(die), seconds(die, 11, 15)),
        Fault::Drain(shape.anyone(die)),
        Fault::Restart(ServerKind::RabbitMq),
        Fault::Crash(ServerKind::RabbitMq, seconds(die, 0, 3)),
        Fault::Restart(ServerKind::Postgres),
        Fault::Crash(ServerKind::Postgres, seconds(die, 0, 3)),
        Fault::Crash(ServerKind::Redis, seconds(die, 0, 6)),
        Fault::Silence(seconds(die, 2, 9)),
        Fault::Purge,
        Fault::DeleteQueues,
        Fault::TerminateBackends,
        Fault::Flush,
    ];
    for part in [ServerKind::Postgres, ServerKind::RabbitMq, ServerKind::Redis] {
        deck.push(Fault::Cut(shape.anyone(die), part));
        deck.push(Fault::HalfOpen(shape.anyone(die), part));
        deck.push(Fault::Unreachable(shape.anyone(die), part, seconds(die, 1, 7)));
    }
    if shape.cluster {
        deck.retain(|fault| {
            !matches!(
                fault,
                Fault::Restart(ServerKind::RabbitMq)
                    | Fault::Crash(ServerKind::RabbitMq, _)
                    | Fault::Silence(_)
            )
        });
        for blow in [NodeFault::Kill, NodeFault::Freeze, NodeFault::CutOff] {
            deck.push(Fault::Leader(blow, seconds(die, 3, 15)));
        }
    }
    deck.shuffle(die);
    deck
}

/// Before the first fault: the fleet works.
const CALM: Duration = Duration::from_secs(3);

/// Faults and when they begin, none of whose targets is broken already.
pub fn schedule(seed: u64, shape: Shape, window: Duration) -> Vec<(Duration, Fault)> {
    let mut die = SmallRng::seed_from_u64(seed);
    let mut busy_until: BTreeMap<Target, Duration> = BTreeMap::new();
    let mut cards = Vec::new();
    let mut faults = Vec::new();
    let mut now = CALM;
    loop {
        if cards.is_empty() {
            cards = deck(shape, &mut die);
        }
        let is_free =
            |fault: &Fault| busy_until.get(&fault.target()).is_none_or(|until| *until <= now);
        if let Some(at) = cards.iter().position(is_free) {
            let fault = cards.remove(at);
            if now + fault.lasts() > window {
                break;
            }
            busy_until.insert(fault.target(), now + fault.lasts());
            faults.push((now, fault));
        }
        now += Duration::from_millis(die.random_range(300..2_500));
        if now > window {
            break;
        }
    }
    faults
}

#[test]
fn a_seed_decides_everything_and_a_minute_meets_nearly_every_fault() {
    let shape = Shape { producers: 2, workers: 3, cluster: false };
    let window = Duration::from_secs(60);
    assert_eq!(schedule(7, shape, window), schedule(7, shape, window));
    assert_ne!(schedule(7, shape, window), schedule(8, shape, window));
    for seed in 0..50 {
        let faults = schedule(seed, shape, window);
        let kinds: std::collections::BTreeSet<String> =
            faults.iter().map(|(_, fault)| fault.name()).collect();
        assert!(kinds.len() >= 15, "seed {seed}: {kinds:?}");
        assert!(faults.iter().all(|(at, fault)| *at + fault.lasts() <= window));
    }
}
