//! Rates of the PostgreSQL store by itself: accept, dispatch, claim and settle of echo jobs of
//! one task, in groups, with the WAL and the commits that they cost, over a short and a long
//! backlog.
//!
//! ```sh
//! export SPOOL_DATABASE_URL=postgres://…
//! cargo run --release -p backing --example store_bench -- [JOBS] [GROUP] [WORKERS] [BACKLOG…]
//! ```
//!
//! Makes a database of its own next to the one of the URL and drops it at the end. Accepts run
//! first and by themselves; then the workers dispatch, claim and settle side by side, as the
//! processes of a fleet do.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod load;

use std::{
    collections::VecDeque,
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use backing::store::postgres::PgStore;
use common::{
    id::{TaskId, WorkerId},
    limits::HEARTBEAT_EVERY,
    outcome::Settlement,
    queue::Queue,
    store::{Credit, Dispatch, Leases, Submissions, WorkerRegistration},
};
use sqlx::{Connection, Executor, PgConnection};

use self::load::{BenchDatabase, LEASE, settlement, submission};

#[tokio::main]
async fn main() {
    let mut arguments = env::args().skip(1).map(|word| word.parse::<usize>().expect("a number"));
    let jobs = arguments.next().unwrap_or(50_000);
    let group = arguments.next().unwrap_or(500);
    let workers = arguments.next().unwrap_or(2);
    let backlogs: Vec<usize> = arguments.collect();
    let backlogs = if backlogs.is_empty() { vec![1_000, 100_000] } else { backlogs };
    println!("{jobs} jobs in groups of {group}, {workers} workers; rates in jobs/s");
    println!(
        "| backlog | accept | accept to queued | dispatch | claim | settle \
         | dispatch+claim+settle, side by side | WAL B/job | commits/job | server µs/job \
         | client µs/job |"
    );
    println!("|{}", "---|".repeat(11));
    for backlog in backlogs {
        let database = BenchDatabase::new().await;
        let meter = PgConnection::connect(&database.url).await.unwrap();
        let bench = StoreBench {
            store: database.store.clone(),
            group,
            meter: Arc::new(tokio::sync::Mutex::new(meter)),
        };
        bench.run(backlog, jobs, workers).await;
        drop(bench);
        database.drop().await;
    }
}

struct StoreBench {
    store: PgStore,
    group: usize,
    meter: Arc<tokio::sync::Mutex<PgConnection>>,
}

impl StoreBench {
    async fn run(&self, backlog: usize, jobs: usize, workers: usize) {
        let heartbeat = self.keep_alive(workers).await;
        self.accept(backlog, "waiting", 0).await;
        let before = self.cost().await;
        let accept = self.accept(jobs / 2, "mine", 9).await;
        let accept_queued = self.accept_queued(jobs - jobs / 2).await;
        let [dispatch, claim, settle] = self.in_turns(jobs).await;
        self.accept(jobs, "mine", 9).await;
        let both = self.side_by_side(jobs, workers).await;
        let after = self.cost().await;
        heartbeat.abort();
        let each = |index: usize| (after[index] - before[index]) / (2 * jobs) as f64;
        println!(
            "| {backlog} | {accept:.0} | {accept_queued:.0} | {dispatch:.0} | {claim:.0} \
             | {settle:.0} | {both:.0} | {:.0} | {:.4} | {:.1} | {:.1} |",
            each(0),
            each(1),
            each(2) * 1e6,
            each(3) * 1e6,
        );
    }

    /// A worker with slots for all tasks that heartbeats as long as the run takes.
    async fn keep_alive(&self, workers: usize) -> tokio::task::JoinHandle<()> {
        let slots = vec![(Queue::Light, u32::try_from(self.group * workers * 4).unwrap())];
        let registration = WorkerRegistration {
            worker: WorkerId::new(),
            name: "bench".into(),
            slots,
            draining: false,
            kinds: Vec::new(),
        };
        self.store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
        let store = self.store.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(HEARTBEAT_EVERY).await;
                store.heartbeat(&registration, &[], LEASE).await.expect("heartbeats");
            }
        })
    }

    async fn accept(&self, count: usize, tenant: &str, priority: u8) -> f64 {
        let started = Instant::now();
        let mut left = count;
        while left > 0 {
            let now = left.min(self.group);
            let submissions = (0..now).map(|_| submission(tenant, priority)).collect();
            self.store.accept(submissions, &[]).await.expect("accepts");
            left -= now;
        }
        rate(count, started)
    }

    async fn accept_queued(&self, count: usize) -> f64 {
        let started = Instant::now();
        let mut left = count;
        while left > 0 {
            let now = left.min(self.group);
            let submissions = (0..now).map(|_| submission("mine", 9)).collect();
            let credit = [Credit { queue: Queue::Light, tasks: u32::try_from(now).unwrap() }];
            let accepted = self.store.accept(submissions, &credit).await.expect("accepts");
            assert_eq!(accepted.messages.len(), now);
            left -= now;
        }
        rate(count, started)
    }

    /// Dispatches, claims and settles group after group with one worker; jobs/s of each step by
    /// itself.
    async fn in_turns(&self, jobs: usize) -> [f64; 3] {
        let worker = WorkerId::new();
        let mut spent = [Duration::ZERO; 3];
        let (messages, _) =
            self.store.overdue(Queue::Light, Duration::ZERO, u32::MAX).await.expect("reads");
        let mut queued: VecDeque<TaskId> =
            messages.into_iter().map(|message| message.task).collect();
        let (mut dispatched, mut ended) = (0, 0);
        while ended < jobs {
            if queued.is_empty() {
                let most = u32::try_from((jobs - ended).min(self.group)).unwrap();
                let started = Instant::now();
                let messages =
                    self.store.dispatch(Queue::Light, 0, most).await.expect("dispatches").messages;
                spent[0] += started.elapsed();
                dispatched += messages.len();
                queued.extend(messages.iter().map(|message| message.task));
            }
            let tasks: Vec<TaskId> = queued.drain(..queued.len().min(self.group)).collect();
            let started = Instant::now();
            let claimed = self.store.claim(worker, &tasks, LEASE).await.expect("claims");
            spent[1] += started.elapsed();
            let settlements: Vec<Settlement> =
                claimed.into_iter().flatten().map(|one| settlement(one.task, one.fence)).collect();
            ended += settlements.len();
            let started = Instant::now();
            self.store.settle(worker, settlements).await.expect("settles");
            spent[2] += started.elapsed();
        }
        [dispatched, ended, ended]
            .into_iter()
            .zip(spent)
            .map(|(count, spent)| count as f64 / spent.as_secs_f64())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    async fn side_by_side(&self, jobs: usize, workers: usize) -> f64 {
        let done = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let running: Vec<_> = (0..workers)
            .map(|_| {
                let (store, done, group) = (self.store.clone(), done.clone(), self.group);
                tokio::spawn(async move {
                    let worker = WorkerId::new();
                    while done.load(Ordering::Relaxed) < jobs as u64 {
                        let dispatched = store
                            .dispatch(Queue::Light, 0, u32::try_from(group).unwrap())
                            .await
                            .expect("dispatches");
                        let tasks: Vec<TaskId> =
                            dispatched.messages.iter().map(|message| message.task).collect();
                        let claimed = store.claim(worker, &tasks, LEASE).await.expect("claims");
                        let settlements: Vec<Settlement> = claimed
                            .into_iter()
                            .flatten()
                            .map(|one| settlement(one.task, one.fence))
                            .collect();
                        done.fetch_add(settlements.len() as u64, Ordering::Relaxed);
                        store.settle(worker, settlements).await.expect("settles");
                    }
                })
            })
            .collect();
        for worker in running {
            worker.await.expect("joins");
        }
        rate(usize::try_from(done.load(Ordering::Relaxed)).unwrap(), started)
    }

    /// Totals so far: WAL bytes of the server, commits of this database, processor seconds of its
    /// sessions (on this machine only) and of this process.
    async fn cost(&self) -> [f64; 4] {
        let mut sql = self.meter.lock().await;
        sql.execute("SELECT pg_stat_force_next_flush()").await.expect("asks");
        let (wal, commits): (i64, i64) = sqlx::query_as(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, xact_commit
             FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(&mut *sql)
        .await
        .expect("reads");
        let sessions: Vec<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()",
        )
        .fetch_all(&mut *sql)
        .await
        .expect("reads");
        let server = sessions.into_iter().map(|pid| processor_seconds(&pid.to_string())).sum();
        [wal as f64, commits as f64, server, processor_seconds("self")]
    }
}

/// User and system time of a process in seconds. /proc has it in hundredths.
fn processor_seconds(pid: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12].into_iter().filter_map(|field| fields.get(field)?.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

fn rate(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}
