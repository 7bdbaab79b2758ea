//! Measures the PostgreSQL store under a burden. `scripts/bench backlog`, `held` and
//! `fair` run this and show its lines.
//!
//! ```sh
//! export SPOOL_DATABASE_URL=postgres://…
//! cargo run --release -p backing --example store_under_load -- backlog [WAITING…]
//! … -- held [SECONDS]     a transaction that is held open for so long, after a minute without
//! … -- fair [WAITING]     a tenant's single job beside another's backlog
//! ```
//!
//! Works in a database of its own next to the one of the URL, and prints a JSON line for each
//! figure. "Settled" is a job of one task that went through accept, dispatch, claim and settle, all
//! of which run side by side.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod load;

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use backing::store::postgres::PgStore;
use common::{
    id::{TaskId, WorkerId},
    queue::Queue,
    store::{Dispatch, Leases, Submissions, SweepPolicy, Upkeep},
    submission::Work,
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use self::load::{BenchDatabase, LEASE};

/// Jobs in one statement, and concurrent workers.
const GROUP: usize = 500;
const WORKERS: usize = 2;
/// Jobs that the feeder stays ahead of the workers.
const AHEAD: usize = 20 * GROUP;

#[tokio::main]
async fn main() {
    let mut words = env::args().skip(1);
    let part = words.next().unwrap_or_default();
    let numbers: Vec<usize> = words.map(|word| word.parse().expect("a number")).collect();
    match part.as_str() {
        "backlog" if numbers.is_empty() => backlog(&[0, 100_000, 1_000_000]).await,
        "backlog" => backlog(&numbers).await,
        "held" => held(Duration::from_secs(numbers.first().copied().unwrap_or(300) as u64)).await,
        "fair" => fair(numbers.first().copied().unwrap_or(100_000)).await,
        _ => panic!("backlog, held or fair is wanted, not {part:?}"),
    }
}

/// Jobs/s while this many others wait.
async fn backlog(sizes: &[usize]) {
    for size in sizes {
        let database = BenchDatabase::new().await;
        let heartbeat = load::keep_alive(&database.store, GROUP * WORKERS * 4).await;
        load::accept(&database.store, *size, GROUP, "waiting", 0).await;
        let flow = Flow::start(&database.store, "mine", 9);
        tokio::time::sleep(Duration::from_secs(5)).await;
        let rate = flow.rate(Duration::from_secs(20)).await;
        println!(
            "{}",
            json!({ "bench": "backlog", "waiting": size, "settledPerSecond": rate.round() })
        );
        flow.stop().await;
        heartbeat.abort();
        database.drop().await;
    }
}

/// Jobs/s without and with an older transaction that does not end.
async fn held(time: Duration) {
    let database = BenchDatabase::new().await;
    let heartbeat = load::keep_alive(&database.store, GROUP * WORKERS * 4).await;
    let flow = Flow::start(&database.store, "mine", 5);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let free = flow.rate(time.min(Duration::from_secs(60))).await;
    let mut holder = PgConnection::connect(&database.url).await.expect("connects");
    holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.expect("begins");
    // The transaction has both an id and a snapshot: either keeps rows that die from now on.
    holder
        .execute("SELECT pg_current_xact_id(), count(*) FROM spool.workers")
        .await
        .expect("looks");
    let began = Instant::now();
    let mut steps = Vec::new();
    while began.elapsed() + Duration::from_secs(1) < time {
        steps.push(
            flow.rate((time - began.elapsed().min(time)).min(Duration::from_secs(30)))
                .await
                .round(),
        );
        eprintln!("{:>4} s: {:.0} jobs/s", began.elapsed().as_secs(), steps.last().unwrap());
    }
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    let last = steps.last().copied().unwrap_or_default();
    let line = json!({
        "bench": "held", "seconds": time.as_secs(),
        "settledPerSecond": mean.round(), "withoutPerSecond": free.round(),
        "ratio": (mean / free * 100.0).round() / 100.0, "lastPerSecond": last,
        "lastRatio": (last / free * 100.0).round() / 100.0, "steps": steps,
    });
    println!("{line}");
    holder.execute("ROLLBACK").await.expect("ends");
    flow.stop().await;
    heartbeat.abort();
    database.drop().await;
}

/// Number of slots that go to other tasks before a tenant's single job, with one slot and another
/// tenant's backlog.
async fn fair(waiting: usize) {
    let database = BenchDatabase::new().await;
    let store = &database.store;
    load::accept(store, waiting, GROUP, "backlog", 5).await;
    let (worker, mut worst, mut total) = (WorkerId::new(), 0, 0);
    let single = |tenant: &str| {
        let submission = load::submission(tenant, 5);
        let Work::Job(job) = &submission.work else { unreachable!("a job was made") };
        (job.tasks[0].id, submission)
    };
    const ROUNDS: usize = 50;
    for round in 0..ROUNDS {
        // Names on both sides of the other's, so that neither end of the alphabet is favoured.
        let (task, submission) = single(if round % 2 == 0 { "alone" } else { "small" });
        store.accept(vec![submission], &[]).await.expect("accepts");
        let turns = turns_until(store, worker, task).await;
        worst = worst.max(turns);
        total += turns;
    }
    let mean = total as f64 / ROUNDS as f64;
    println!(
        "{}",
        json!({ "bench": "fair", "waiting": waiting, "worstTurns": worst, "meanTurns": mean })
    );
    database.drop().await;
}

/// Dispatches one slot at a time until `task` is dispatched; returns the number of slots that other
/// tasks got.
async fn turns_until(store: &PgStore, worker: WorkerId, task: TaskId) -> usize {
    for turns in 0.. {
        let messages = store.dispatch(Queue::Light, 1, 1).await.expect("dispatches").messages;
        let dispatched = messages.first().expect("something waits").task;
        let claimed = store
            .claim(worker, &[dispatched], LEASE)
            .await
            .expect("claims")
            .remove(0)
            .expect("was queued");
        store
            .settle(worker, vec![load::settlement(dispatched, claimed.fence)])
            .await
            .expect("settles");
        if dispatched == task {
            return turns;
        }
    }
    unreachable!("the loop has no other end")
}

/// Accepts, dispatches, claims and settles until it is stopped, with a sweep beside it.
struct Flow {
    settled: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    running: Vec<tokio::task::JoinHandle<()>>,
}

impl Flow {
    fn start(store: &PgStore, tenant: &'static str, priority: u8) -> Self {
        let (settled, accepted, stop) = (
            Arc::<AtomicUsize>::default(),
            Arc::<AtomicUsize>::default(),
            Arc::<AtomicBool>::default(),
        );
        let mut running = Vec::new();
        for _ in 0..WORKERS {
            let (store, settled, stop) = (store.clone(), settled.clone(), stop.clone());
            running.push(tokio::spawn(async move {
                let worker = WorkerId::new();
                while !stop.load(Ordering::Relaxed) {
                    settled.fetch_add(load::round(&store, worker, GROUP).await, Ordering::Relaxed);
                }
            }));
        }
        let (feeder, done, ends) = (store.clone(), settled.clone(), stop.clone());
        running.push(tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                if accepted.load(Ordering::Relaxed) > done.load(Ordering::Relaxed) + AHEAD {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
                load::accept(&feeder, GROUP, GROUP, tenant, priority).await;
                accepted.fetch_add(GROUP, Ordering::Relaxed);
            }
        }));
        let (sweeper, ends) = (store.clone(), stop.clone());
        running.push(tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                sweeper
                    .sweep(SweepPolicy { quarantine_after: 5, most: 1_000 })
                    .await
                    .expect("sweeps");
                sweeper.overdue(Queue::Light, Duration::from_secs(30), 500).await.expect("looks");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }));
        Self { settled, stop, running }
    }

    /// Jobs/s settled in the time that begins now.
    async fn rate(&self, time: Duration) -> f64 {
        let (before, began) = (self.settled.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(time).await;
        (self.settled.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.running {
            task.await.expect("joins");
        }
    }
}
