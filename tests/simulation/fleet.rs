//! A simulation of a fleet in one thread: the real store, with random actions of everything around
//! it, chosen by a seed.
//!
//! Task messages are lost, doubled, delayed and reordered. Workers die between any two of their
//! steps, stall past their leases and wake up again, and report twice. The clock jumps. Then the
//! faults stop, and within a bounded number of rounds every accepted job must be final, every task
//! must have settled once, batches must count their items, and no lease may be left.
//!
//! A failing seed is in the panic's message; `SPOOL_SIMULATION_SEED=n` runs that one alone.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

#[path = "../conformance/store/builders.rs"]
#[allow(dead_code, reason = "the suite of the Store uses the rest")]
mod builders;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use backing::store::sqlite::SqliteStore;
use builders::{batch, equal, grown, job, plan, step, succeeded, tasks};
use common::{
    error::JobError,
    id::{BatchId, Fence, JobId, TaskId, TenantId, WorkerId},
    limits::LEASE,
    outcome::{Settlement, Verdict},
    port::{broker::TaskMessage, clock::Clock},
    queue::Queue,
    rules::lifecycle::TaskState,
    store::{
        Claimed, Dispatch, Heartbeat, HeartbeatReply, Leases, Reads, Settled, Submissions,
        SweepPolicy, Target, Upkeep, WorkerRegistration,
    },
    submission::{NewJob, Submission, Work},
    view::ItemView,
};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::json;

const SEEDS: u64 = 40;
const STEPS: u32 = 400;
/// Rounds without faults in which everything must settle. A round is half a second of the store's
/// clock.
const CALM_ROUNDS: u32 = 400;
const POLICY: SweepPolicy = SweepPolicy { quarantine_after: 5, most: 100 };

#[derive(Debug)]
struct SimulatedClock(AtomicI64);

impl SimulatedClock {
    fn turn(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct SimulatedWorker {
    id: WorkerId,
    running: Vec<Claimed>,
    stalled: bool,
}

impl SimulatedWorker {
    fn new() -> Self {
        Self { id: WorkerId::new(), running: Vec::new(), stalled: false }
    }
}

struct World {
    store: SqliteStore,
    clock: Arc<SimulatedClock>,
    rng: SmallRng,
    tenant: TenantId,
    messages: Vec<TaskMessage>,
    workers: Vec<SimulatedWorker>,
    jobs: Vec<JobId>,
    batches: Vec<BatchId>,
    /// The newest claim of each task, which alone may settle it.
    holders: BTreeMap<TaskId, (WorkerId, Fence)>,
    /// Tasks that settled by an attempt's own write.
    settled: BTreeSet<TaskId>,
    /// Settlements that were sent and may be sent again.
    reported: Vec<(WorkerId, Settlement)>,
    diary: Vec<String>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(seed: u64) -> Self {
        // In memory where possible: the simulation tests the logic, not the disk.
        let base = std::path::Path::new("/dev/shm");
        let folder =
            if base.is_dir() { tempfile::tempdir_in(base) } else { tempfile::tempdir() }.unwrap();
        let clock = Arc::new(SimulatedClock(AtomicI64::new(1_800_000_000_000)));
        let store =
            SqliteStore::open_with(&folder.path().join("store.db"), clock.clone()).await.unwrap();
        Self {
            store,
            clock,
            rng: SmallRng::seed_from_u64(seed),
            tenant: TenantId::default(),
            messages: Vec::new(),
            workers: (0..3).map(|_| SimulatedWorker::new()).collect(),
            jobs: Vec::new(),
            batches: Vec::new(),
            holders: BTreeMap::new(),
            settled: BTreeSet::new(),
            reported: Vec::new(),
            diary: Vec::new(),
            _folder: folder,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pick(&mut self, count: usize) -> usize {
        self.rng.random_range(0..count)
    }

    fn note(&mut self, what: impl Into<String>) {
        self.diary.push(what.into());
    }

    /// Performs one random action.
    async fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..14 => self.submit().await,
            14..30 => self.dispatch(true).await,
            30..50 => self.deliver(true).await,
            50..72 => self.work(true).await,
            72..80 => self.heartbeat().await,
            80..84 => self.kill(),
            84..87 => self.stall(),
            87..90 => self.report_again().await,
            90..93 => self.cancel().await,
            93..97 => self.sweep().await,
            _ => self.jump(),
        }
    }

    async fn submit(&mut self) {
        let work = match self.pick(6) {
            0 | 1 => Work::Job(job()),
            2 => Work::Job(equal(json!({"n": self.pick(3)}))),
            3 => Work::Job(plan(&[
                step("a"),
                step("b").despite("a"),
                step("c").after("b").after("a").result(),
            ])),
            4 => Work::Job(plan(&[step("seed").kind("grows").result()])),
            _ => {
                let jobs: Vec<NewJob> = (0..=self.pick(5))
                    .map(|n| if n == 1 { equal(json!({"n": 1})) } else { job() })
                    .collect();
                Work::Batch(batch(&jobs))
            }
        };
        match &work {
            Work::Job(job) => self.jobs.push(job.id),
            Work::Batch(batch) => self.batches.push(batch.id),
        }
        let submission = Submission { tenant: self.tenant.clone(), idempotency: None, work };
        // A commit with an unclear result is repeated.
        for _ in 0..=u32::from(self.chance(20)) {
            self.store.accept(vec![submission.clone()], &[]).await.unwrap();
        }
        self.note("submit");
    }

    async fn dispatch(&mut self, faults: bool) {
        let dispatched = self.store.dispatch(Queue::Light, 2, 20).await.unwrap();
        for message in dispatched.messages {
            match faults && self.chance(25) {
                true if self.chance(50) => {
                    // The broker did not confirm the message, so the task is made ready again. The
                    // message may have arrived all the same.
                    self.store.hand_back(&[message.task]).await.unwrap();
                    if self.chance(30) {
                        self.messages.push(message);
                    }
                }
                true => {}
                false => self.messages.push(message),
            }
        }
        self.note("dispatch");
    }

    /// Delivers a random message to a worker that takes it, has no slot, or dies with it.
    async fn deliver(&mut self, faults: bool) {
        if self.messages.is_empty() {
            return;
        }
        let at = self.pick(self.messages.len());
        let message = if faults && self.chance(15) {
            self.messages[at].clone()
        } else {
            self.messages.swap_remove(at)
        };
        let worker = self.pick(self.workers.len());
        if faults && self.chance(10) {
            self.store.hand_back(&[message.task]).await.unwrap();
            return self.note("hand back");
        }
        let id = self.workers[worker].id;
        let claimed = self.store.claim(id, &[message.task], LEASE).await.unwrap();
        for claimed in claimed.iter().flatten() {
            self.holders.insert(claimed.task, (id, claimed.fence));
        }
        if faults && self.chance(10) {
            // The claim was committed, and the worker died before it got the answer.
            self.workers[worker] = SimulatedWorker::new();
            return self.note("died after a claim");
        }
        self.workers[worker].running.extend(claimed.into_iter().flatten());
        self.note("claim");
    }

    /// A running attempt ends.
    async fn work(&mut self, faults: bool) {
        let busy: Vec<usize> =
            (0..self.workers.len()).filter(|at| !self.workers[*at].running.is_empty()).collect();
        if busy.is_empty() {
            return;
        }
        let worker = busy[self.pick(busy.len())];
        let at = self.pick(self.workers[worker].running.len());
        let claimed = self.workers[worker].running.swap_remove(at);
        let id = self.workers[worker].id;
        if faults && self.chance(8) {
            self.store.release(id, &[(claimed.task, claimed.fence)]).await.unwrap();
            return self.note("release");
        }
        let verdict = self.verdict(&claimed, faults);
        let settlement = Settlement { task: claimed.task, fence: claimed.fence, verdict };
        self.settle(id, settlement.clone()).await;
        self.reported.push((id, settlement));
    }

    fn verdict(&mut self, claimed: &Claimed, faults: bool) -> Verdict {
        let roll = if faults { self.pick(10) } else { 0 };
        match roll {
            8 => Verdict::Failed(JobError::permanent("x", "no luck")),
            9 if claimed.attempt < claimed.max_attempts => {
                let pause = Duration::from_millis(self.rng.random_range(0..3_000));
                Verdict::Retry { error: JobError::transient("x", "again"), pause }
            }
            _ if claimed.kind == "grows" => {
                let steps = [
                    step("left"),
                    step("right").memo(json!({"n": 2})),
                    step("end").after("left").after("right").result(),
                ];
                grown(json!("grew"), tasks(claimed.task.0, &steps))
            }
            _ => succeeded(json!({"by": claimed.name})),
        }
    }

    async fn settle(&mut self, worker: WorkerId, settlement: Settlement) {
        let (task, fence) = (settlement.task, settlement.fence);
        let last = !matches!(settlement.verdict, Verdict::Retry { .. });
        let (answers, _) = self.store.settle(worker, vec![settlement]).await.unwrap();
        if answers == [Settled::Counted] {
            assert_eq!(
                self.holders.get(&task),
                Some(&(worker, fence)),
                "{task} was settled by an attempt that had lost its lease"
            );
            assert!(!last || self.settled.insert(task), "{task} settled twice");
        }
        self.note(format!("settle {answers:?}"));
    }

    async fn report_again(&mut self) {
        if !self.reported.is_empty() {
            let at = self.pick(self.reported.len());
            let (worker, settlement) = self.reported[at].clone();
            let (answers, _) = self.store.settle(worker, vec![settlement]).await.unwrap();
            assert_eq!(answers, [Settled::Stale], "a report counted twice");
        }
    }

    async fn heartbeat(&mut self) {
        for at in 0..self.workers.len() {
            let worker = &self.workers[at];
            if worker.stalled {
                continue;
            }
            let registration = WorkerRegistration {
                worker: worker.id,
                name: "sim".into(),
                slots: vec![(Queue::Light, 4)],
                draining: false,
                kinds: Vec::new(),
            };
            let heartbeats: Vec<Heartbeat> = worker
                .running
                .iter()
                .map(|claimed| Heartbeat {
                    task: claimed.task,
                    fence: claimed.fence,
                    progress: None,
                })
                .collect();
            let replies = self.store.heartbeat(&registration, &heartbeats, LEASE).await.unwrap();
            self.obey(at, &heartbeats, &replies).await;
        }
    }

    /// An attempt whose lease is lost stops without a report; one that is to be cancelled reports
    /// it.
    async fn obey(&mut self, worker: usize, heartbeats: &[Heartbeat], replies: &[HeartbeatReply]) {
        for (heartbeat, reply) in heartbeats.iter().zip(replies) {
            if *reply == HeartbeatReply::Held {
                continue;
            }
            self.workers[worker].running.retain(|claimed| {
                claimed.task != heartbeat.task || claimed.fence != heartbeat.fence
            });
            if *reply == HeartbeatReply::Cancel {
                let settlement = Settlement {
                    task: heartbeat.task,
                    fence: heartbeat.fence,
                    verdict: Verdict::Cancelled,
                };
                self.settle(self.workers[worker].id, settlement).await;
            }
        }
    }

    fn kill(&mut self) {
        let at = self.pick(self.workers.len());
        self.workers[at] = SimulatedWorker::new();
        self.note("kill");
    }

    fn stall(&mut self) {
        let at = self.pick(self.workers.len());
        self.workers[at].stalled = !self.workers[at].stalled;
        self.note("stall or wake");
    }

    async fn cancel(&mut self) {
        let target = match (self.jobs.as_slice(), self.batches.as_slice()) {
            ([], []) => return,
            (jobs, []) => Target::Job(jobs[self.rng.random_range(0..jobs.len())]),
            (jobs, batches) if jobs.is_empty() || self.rng.random_range(0..5) == 0 => {
                Target::Batch(batches[self.rng.random_range(0..batches.len())])
            }
            (jobs, _) => Target::Job(jobs[self.rng.random_range(0..jobs.len())]),
        };
        assert!(self.store.cancel(&self.tenant.clone(), target).await.unwrap().is_some());
        self.note("cancel");
    }

    async fn sweep(&mut self) {
        let swept = self.store.sweep(POLICY).await.unwrap();
        let (messages, _) =
            self.store.overdue(Queue::Light, Duration::from_secs(2), 100).await.unwrap();
        self.messages.extend(messages);
        self.note(format!("sweep lost {} quarantined {}", swept.lost, swept.quarantined));
    }

    /// Moves the clock: mostly forward, sometimes by more than a lease, sometimes back.
    fn jump(&mut self) {
        let ms = match self.pick(10) {
            0 => self.rng.random_range(-2_000..0),
            1 | 2 => self.rng.random_range(8_000..15_000),
            _ => self.rng.random_range(100..3_000),
        };
        self.clock.turn(ms);
        self.note(format!("clock {ms:+} ms"));
    }

    async fn all_final(&self) -> bool {
        let jobs = self.store.jobs(&self.tenant, &self.jobs).await.unwrap();
        let jobs = jobs.iter().all(|job| job.as_ref().is_some_and(|job| job.status.is_final()));
        for batch in &self.batches {
            if self.store.batch(&self.tenant, *batch).await.unwrap().unwrap().settled_at.is_none() {
                return false;
            }
        }
        jobs
    }

    /// Runs a healthy fleet, without faults, until the work is done.
    async fn calm(&mut self) {
        self.workers.iter_mut().for_each(|worker| worker.stalled = false);
        for _ in 0..CALM_ROUNDS {
            if self.all_final().await {
                return;
            }
            self.clock.turn(500);
            self.heartbeat().await;
            self.sweep().await;
            self.dispatch(false).await;
            while !self.messages.is_empty() {
                self.deliver(false).await;
            }
            while self.workers.iter().any(|worker| !worker.running.is_empty()) {
                self.work(false).await;
            }
        }
        let open: Vec<_> = self
            .store
            .jobs(&self.tenant, &self.jobs)
            .await
            .unwrap()
            .into_iter()
            .flatten()
            .collect();
        let open: Vec<_> = open
            .iter()
            .filter(|job| !job.status.is_final())
            .map(|job| (job.id, &job.waiting_for))
            .collect();
        panic!("not all settled: {open:?}");
    }

    async fn check(&self) {
        for job in &self.jobs {
            self.check_job(*job).await;
        }
        for id in &self.batches {
            let batch = self.store.batch(&self.tenant, *id).await.unwrap().unwrap();
            let items = self.store.items(&self.tenant, *id, 0, 100).await.unwrap().unwrap();
            let succeeded = items.iter().filter(|(_, item)| match item {
                ItemView::Job(job) => job.status == common::rules::lifecycle::JobStatus::Succeeded,
                ItemView::Refused(_) => false,
            });
            let fulfilled = succeeded.count() as u32;
            assert_eq!(
                (batch.total, batch.fulfilled),
                (items.len() as u32, fulfilled),
                "batch {id}"
            );
            assert_eq!(batch.rejected, batch.total - fulfilled, "batch {id}");
        }
        assert_eq!(self.store.demand(Queue::Light).await.unwrap().running, 0, "a lease is left");
    }

    async fn check_job(&self, job: JobId) {
        let tasks = self.store.tasks(&self.tenant, job).await.unwrap().unwrap();
        let states: BTreeMap<_, _> = tasks.iter().map(|task| (task.id, task.state)).collect();
        for task in &tasks {
            assert!(
                task.state.is_final(),
                "job {job} is final, and its task {} is {}",
                task.name,
                task.state
            );
            let own = task.state == TaskState::Succeeded && !task.cached;
            assert!(
                !own || self.settled.contains(&task.id),
                "{} succeeded and nobody said so",
                task.name
            );
            if task.state == TaskState::Succeeded && task.needs.len() == 2 && task.name == "end" {
                assert!(
                    task.needs.iter().all(|need| states[need] == TaskState::Succeeded),
                    "{} ran too early",
                    task.name
                );
            }
        }
    }
}

async fn play(seed: u64) {
    let mut world = World::new(seed).await;
    world.heartbeat().await;
    for _ in 0..STEPS {
        world.step().await;
    }
    world.calm().await;
    world.check().await;
}

#[test]
fn whatever_a_fleet_suffers_every_job_settles_once() {
    let seeds = match std::env::var("SPOOL_SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().expect("SPOOL_SIMULATION_SEED is a number")],
        Err(_) => (0..SEEDS).collect(),
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let played = std::panic::catch_unwind(|| runtime.block_on(play(seed)));
        assert!(
            played.is_ok(),
            "seed {seed} fails; replay it alone with SPOOL_SIMULATION_SEED={seed}"
        );
    }
}
