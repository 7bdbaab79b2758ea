//! The schedule of faults, decided by a seed before anything runs.

use std::{collections::BTreeMap, fmt, time::Duration};

use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng, seq::SliceRandom};

/// A server of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerKind {
    Postgres,
    RabbitMq,
    Redis,
}

/// A fault of one node of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeFault {
    Kill,
    Freeze,
    CutOff,
}

/// The index of a process in the fleet.
pub type ProcessIndex = usize;

/// A fault. A duration is how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedFault {
    /// `kill -9`; the process is restarted after a while.
    Kill(ProcessIndex, Duration),
    /// `SIGSTOP`, and `SIGCONT` after more than a lease.
    Freeze(ProcessIndex, Duration),
    /// `SIGTERM`; the process must end in order, and is restarted.
    Drain(ProcessIndex),
    /// Closes all connections between a process and a server.
    Cut(ProcessIndex, ServerKind),
    /// Keeps those connections open, and passes nothing on them any more.
    HalfOpen(ProcessIndex, ServerKind),
    /// Closes those connections, and new ones for a while.
    Unreachable(ProcessIndex, ServerKind, Duration),
    /// Stops a server in order and starts it again.
    Restart(ServerKind),
    /// Kills a server and starts it again.
    Crash(ServerKind, Duration),
    /// RabbitMQ accepts connections and does not answer.
    Silence(Duration),
    /// Kills or freezes the node of a cluster that leads a queue, or cuts it off from the others.
    Leader(NodeFault, Duration),
    /// Drops all messages of all queues.
    Purge,
    /// Deletes all queues.
    DeleteQueues,
    /// Ends the PostgreSQL backends of all the fleet's connections.
    TerminateBackends,
    /// Deletes everything in Redis.
    Flush,
}

/// The part that a fault occupies while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultTarget {
    Process(ProcessIndex),
    Server(ServerKind),
}

impl PlannedFault {
    /// The part that it occupies; each has at most one fault at a time.
    pub fn target(self) -> FaultTarget {
        match self {
            Self::Kill(index, _) | Self::Freeze(index, _) | Self::Drain(index) => {
                FaultTarget::Process(index)
            }
            Self::Cut(index, _) | Self::HalfOpen(index, _) | Self::Unreachable(index, ..) => {
                FaultTarget::Process(index)
            }
            Self::Restart(part) | Self::Crash(part, _) => FaultTarget::Server(part),
            Self::Silence(_) | Self::Leader(..) | Self::Purge | Self::DeleteQueues => {
                FaultTarget::Server(ServerKind::RabbitMq)
            }
            Self::TerminateBackends => FaultTarget::Server(ServerKind::Postgres),
            Self::Flush => FaultTarget::Server(ServerKind::Redis),
        }
    }

    /// Approximate length, recovery included.
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

/// Number of processes: the first are producers, the rest workers.
#[derive(Debug, Clone, Copy)]
pub struct FleetShape {
    pub producers: usize,
    pub workers: usize,
    /// Set if RabbitMQ is a cluster of three nodes.
    pub cluster: bool,
}

impl FleetShape {
    fn worker(self, rng: &mut impl Rng) -> ProcessIndex {
        self.producers + rng.random_range(0..self.workers)
    }

    fn producer(self, rng: &mut impl Rng) -> ProcessIndex {
        rng.random_range(0..self.producers)
    }

    fn anyone(self, rng: &mut impl Rng) -> ProcessIndex {
        rng.random_range(0..self.producers + self.workers)
    }
}

/// Every kind of fault, once, in random order. Drawn like cards, so that a short run meets all of
/// them and a long one meets them equally often.
fn shuffled_faults(shape: FleetShape, rng: &mut impl Rng) -> Vec<PlannedFault> {
    let seconds = |rng: &mut _, from: u64, to: u64| {
        Duration::from_millis(Rng::next_u64(rng) % ((to - from) * 1000) + from * 1000)
    };
    let mut shuffled_faults = vec![
        PlannedFault::Kill(shape.worker(rng), seconds(rng, 0, 3)),
        PlannedFault::Kill(shape.worker(rng), seconds(rng, 0, 3)),
        PlannedFault::Kill(shape.producer(rng), seconds(rng, 0, 3)),
        PlannedFault::Freeze(shape.worker(rng), seconds(rng, 11, 15)),
        PlannedFault::Freeze(shape.producer(rng), seconds(rng, 11, 15)),
        PlannedFault::Drain(shape.anyone(rng)),
        PlannedFault::Restart(ServerKind::RabbitMq),
        PlannedFault::Crash(ServerKind::RabbitMq, seconds(rng, 0, 3)),
        PlannedFault::Restart(ServerKind::Postgres),
        PlannedFault::Crash(ServerKind::Postgres, seconds(rng, 0, 3)),
        PlannedFault::Crash(ServerKind::Redis, seconds(rng, 0, 6)),
        PlannedFault::Silence(seconds(rng, 2, 9)),
        PlannedFault::Purge,
        PlannedFault::DeleteQueues,
        PlannedFault::TerminateBackends,
        PlannedFault::Flush,
    ];
    for part in [ServerKind::Postgres, ServerKind::RabbitMq, ServerKind::Redis] {
        shuffled_faults.push(PlannedFault::Cut(shape.anyone(rng), part));
        shuffled_faults.push(PlannedFault::HalfOpen(shape.anyone(rng), part));
        shuffled_faults.push(PlannedFault::Unreachable(
            shape.anyone(rng),
            part,
            seconds(rng, 1, 7),
        ));
    }
    if shape.cluster {
        shuffled_faults.retain(|fault| {
            !matches!(
                fault,
                PlannedFault::Restart(ServerKind::RabbitMq)
                    | PlannedFault::Crash(ServerKind::RabbitMq, _)
                    | PlannedFault::Silence(_)
            )
        });
        for blow in [NodeFault::Kill, NodeFault::Freeze, NodeFault::CutOff] {
            shuffled_faults.push(PlannedFault::Leader(blow, seconds(rng, 3, 15)));
        }
    }
    shuffled_faults.shuffle(rng);
    shuffled_faults
}

/// Time before the first fault, in which the fleet works.
const CALM: Duration = Duration::from_secs(3);

/// Faults and their times; no two that overlap have the same target.
pub fn schedule(seed: u64, shape: FleetShape, window: Duration) -> Vec<(Duration, PlannedFault)> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut busy_until: BTreeMap<FaultTarget, Duration> = BTreeMap::new();
    let mut cards = Vec::new();
    let mut faults = Vec::new();
    let mut now = CALM;
    loop {
        if cards.is_empty() {
            cards = shuffled_faults(shape, &mut rng);
        }
        let is_free = |fault: &PlannedFault| {
            busy_until.get(&fault.target()).is_none_or(|until| *until <= now)
        };
        if let Some(at) = cards.iter().position(is_free) {
            let fault = cards.remove(at);
            if now + fault.lasts() > window {
                break;
            }
            busy_until.insert(fault.target(), now + fault.lasts());
            faults.push((now, fault));
        }
        now += Duration::from_millis(rng.random_range(300..2_500));
        if now > window {
            break;
        }
    }
    faults
}

#[test]
fn a_seed_decides_everything_and_a_minute_meets_nearly_every_fault() {
    let shape = FleetShape { producers: 2, workers: 3, cluster: false };
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
