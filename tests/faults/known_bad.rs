//! Known-bad variants, which show that the verification finds errors. Each test removes a mechanism
//! from a run's own database, and the consequence must be found; with every mechanism in place, the
//! same story must show nothing.

use std::time::Duration;

use backing::store::postgres::{self, PgOptions, PgStore};
use common::{
    id::{TaskId, TenantId, WorkerId},
    limits::LEASE,
    outcome::Settlement,
    queue::Queue,
    store::{
        Claimed, Dispatch, Leases, Settled, Submissions, SweepPolicy, Upkeep, WorkerRegistration,
    },
    submission::{Submission, Work},
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    audit,
    builders::{job, succeeded},
    environment::RunDatabase,
    fleet::FaultFleet,
    inject::on_queues,
    load::Clients,
    schedule::FleetShape,
    verification::all_settled,
};

/// Longest wait for a lost lease. After a restart of the server no lease expires for a while.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store with one job, whose workers are steps of the test.
struct SteppedStore {
    database: RunDatabase,
    store: PgStore,
}

impl SteppedStore {
    async fn set(name: &str) -> Self {
        let database = RunDatabase::watched(&format!("faults_{name}_{}", std::process::id())).await;
        let store = postgres::connect(&database.url, PgOptions::default()).await.expect("a store");
        let work = Work::Job(job());
        store
            .accept(vec![Submission { tenant: TenantId::default(), idempotency: None, work }], &[])
            .await
            .expect("accepted");
        Self { database, store }
    }

    /// A worker claims the task.
    async fn claim(&self) -> (WorkerId, Claimed) {
        let worker = WorkerId::new();
        let registration = WorkerRegistration {
            worker,
            name: "by hand".to_owned(),
            slots: vec![(Queue::Light, 1)],
            draining: false,
            kinds: Vec::new(),
        };
        self.store.heartbeat(&registration, &[], LEASE).await.expect("heard");
        let dispatched = self.store.dispatch(Queue::Light, 0, 10).await.expect("dispatched");
        let tasks: Vec<TaskId> = dispatched.messages.iter().map(|message| message.task).collect();
        let claimed = self.store.claim(worker, &tasks, LEASE).await.expect("claimed");
        (worker, claimed.into_iter().flatten().next().expect("the task"))
    }

    /// The lease expires, and a sweep finds it.
    async fn lose(&self) {
        audit::execute(
            &self.database.url,
            "UPDATE spool.tasks SET lease_until = 1 WHERE state = 'running'",
        )
        .await
        .unwrap();
        self.sweep_until_lost().await;
    }

    async fn sweep_until_lost(&self) {
        let policy = SweepPolicy { quarantine_after: 100, most: 100 };
        let sweeping = async {
            while self.store.sweep(policy).await.expect("swept").lost == 0 {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, sweeping).await.expect("the sweep ends the lease");
    }

    async fn settle(&self, worker: WorkerId, claimed: &Claimed) -> Settled {
        let settlement =
            Settlement { task: claimed.task, fence: claimed.fence, verdict: succeeded(json!(1)) };
        self.store.settle(worker, vec![settlement]).await.expect("answered").0[0]
    }

    async fn end(self) -> Vec<String> {
        let faults = audit::faults(&self.database.url).await;
        self.database.drop().await;
        faults
    }
}

/// Two workers claim the task one after the other, and the first one comes back.
async fn a_worker_comes_back(store: &SteppedStore) -> Settled {
    let (first, claim) = store.claim().await;
    store.lose().await;
    let (second, newer) = store.claim().await;
    let late = store.settle(first, &claim).await;
    store.settle(second, &newer).await;
    late
}

fn assert_finds(faults: &[String], of: &str) {
    assert!(faults.iter().any(|fault| fault.contains(of)), "`{of}` is not among {faults:?}");
}

#[tokio::test]
async fn with_every_mechanism_in_place_nothing_is_found() {
    let store = SteppedStore::set("whole").await;
    assert_eq!(a_worker_comes_back(&store).await, Settled::Stale);
    assert_eq!(store.end().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_settle_without_the_fence_is_found() {
    let store = SteppedStore::set("fence").await;
    store
        .database
        .break_function("settle_solo", " AND x.worker = worker_id AND x.fence = s.fence", "")
        .await;
    assert_eq!(a_worker_comes_back(&store).await, Settled::Counted);
    assert_finds(&store.end().await, "was ended by");
}

#[tokio::test]
async fn a_claim_that_does_not_raise_the_fence_is_found() {
    let store = SteppedStore::set("claim").await;
    store.database.break_function("claim", "fence = t.fence + 1", "fence = t.fence").await;
    a_worker_comes_back(&store).await;
    assert_finds(&store.end().await, "a claim left the fence");
}

#[tokio::test]
async fn a_live_lease_that_is_taken_away_is_found() {
    let store = SteppedStore::set("lease").await;
    store.database.break_function("sweep", "lease_until < at", "lease_until < at + 3600000").await;
    store.claim().await;
    store.sweep_until_lost().await;
    assert_finds(&store.end().await, "a live lease was ended");
}

#[tokio::test]
async fn a_job_that_settles_in_part_is_found() {
    let store = SteppedStore::set("part").await;
    store
        .database
        .break_function(
            "settle_solo",
            "status = 'succeeded', finished_at = at",
            "status = j.status",
        )
        .await;
    let (worker, claim) = store.claim().await;
    store.settle(worker, &claim).await;
    assert_finds(&store.end().await, "is queued");
}

/// Without the sweep, the tasks of a killed worker and of a purged queue's messages are lost for
/// good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_sweep_a_fleet_loses_jobs_and_the_harness_says_which() {
    let fleet =
        FaultFleet::start("without-sweep", FleetShape { producers: 1, workers: 1, cluster: false })
            .await;
    fleet.database.break_function("sweep", "IF expired IS NULL THEN", "IF true THEN").await;
    fleet.database.break_function("overdue", "- age_ms", "- age_ms - 3600000").await;
    let clients = Clients::of(&fleet.addresses);
    let work = json!({"kind": "echo", "input": {"sleepMs": 8_000}});
    clients.submit(&work).await;
    let running = async {
        while audit::count(&fleet.database.url, "spool.tasks WHERE state = 'running'").await == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, running).await.expect("it runs");
    fleet.member(1).kill(Duration::ZERO).await;
    on_queues(&fleet.namespace, false).await;
    let lost = all_settled(&fleet.database.url, LEASE + Duration::from_secs(5))
        .await
        .expect_err("the job is lost");
    assert!(lost.contains("1 jobs have not settled") && lost.contains("is running"), "{lost}");
    let (complaints, database, _folder) = fleet.end().await;
    assert_eq!(complaints, Vec::<String>::new());
    database.drop().await;
}
