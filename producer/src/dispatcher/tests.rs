use std::{sync::Arc, time::Duration};

use backing::{
    announce::Announcer,
    broker::{
        faulty::{FaultRates, FaultyBroker},
        local::LocalBroker,
    },
    clock::SystemClock,
    store::sqlite::SqliteStore,
    view_cache::local::LocalViewCache,
};
use common::{
    id::{JobId, TenantId, WorkerId},
    kind::Catalog,
    kinds::echo,
    limits::LEASE,
    port::{broker::Broker, clock::Clock},
    rules::lifecycle::TaskState,
    store::{Leases, Reads, WorkerRegistration},
    submission::{Submission, Work},
};
use prometheus::Registry;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::{
    broker_health::BrokerHealth,
    changes::ChangeNotifier,
    metrics::ProducerMetrics,
    offload::Offloader,
    submit::{Accepting, Submitter, plan::Planner},
    sweeper::schedules::ScheduleFirer,
};

const BOUND: Duration = Duration::from_secs(20);

/// A dispatcher on the embedded store and a broker with adjustable faults.
pub struct TestDispatcher {
    pub store: Arc<SqliteStore>,
    pub broker: Arc<FaultyBroker>,
    pub dispatcher: Dispatcher,
    pub submitter: Submitter,
    pub notifier: ChangeNotifier,
    pub metrics: ProducerMetrics,
    pub broker_health: Arc<BrokerHealth>,
    pub worker: WorkerId,
    _folder: TempDir,
}

impl TestDispatcher {
    pub async fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock)).await
    }

    /// Uses `clock` for the store and for calls.
    pub async fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(
            SqliteStore::open_with(&folder.path().join("spool.db"), clock.clone()).await.unwrap(),
        );
        let broker =
            Arc::new(FaultyBroker::new(Arc::new(LocalBroker::new()), FaultRates::none(), 7));
        let metrics = ProducerMetrics::new(&Registry::new()).unwrap();
        let (credits, wakes) = (Arc::new(Credits::default()), Arc::new(Wakes::default()));
        let broker_health = Arc::new(BrokerHealth::new(clock.clone()));
        let task_publisher = TaskPublisher::new(
            store.clone(),
            broker.clone(),
            metrics.clone(),
            broker_health.clone(),
        );
        let announcer = Announcer::new(Arc::new(LocalViewCache::new()), broker.clone());
        let notifier = ChangeNotifier::new(announcer, wakes.clone(), credits.clone());
        let accepting = Accepting::new(
            store.clone(),
            credits.clone(),
            task_publisher.clone(),
            notifier.clone(),
        );
        let dispatcher = Dispatcher { store: store.clone(), task_publisher, credits, wakes, clock };
        let submitter = Submitter::new(accepting);
        Self {
            store,
            broker,
            dispatcher,
            submitter,
            notifier,
            metrics,
            broker_health,
            worker: WorkerId::new(),
            _folder: folder,
        }
    }

    pub fn firer(&self) -> ScheduleFirer {
        let catalog = Arc::new(Catalog::new(&[&[echo::SPEC]]));
        let (store, submitter, metrics) =
            (self.store.clone(), self.submitter.clone(), self.metrics.clone());
        ScheduleFirer { store, catalog, submitter, metrics, offloader: Offloader::default() }
    }

    pub async fn slots(&self, slots: u32) {
        let slots = vec![(Queue::Light, slots)];
        let registration = WorkerRegistration {
            worker: self.worker,
            name: "test".into(),
            slots,
            draining: false,
            kinds: Vec::new(),
        };
        self.store.heartbeat(&registration, &[], LEASE).await.unwrap();
    }

    pub async fn submit(&self, count: usize) -> Vec<JobId> {
        let catalog = Catalog::new(&[&[echo::SPEC]]);
        let mut ids = Vec::new();
        for value in 0..count {
            let planner = Planner { catalog: &catalog, now: self.dispatcher.clock.now() };
            let job = planner.job(json!({"kind": "echo", "input": {"value": value}})).unwrap();
            ids.push(job.id);
            let work = Work::Job(job);
            self.submitter
                .submit(Submission { tenant: TenantId::default(), idempotency: None, work })
                .await
                .unwrap();
        }
        self.submitter.flush().await;
        ids
    }

    pub async fn states(&self, jobs: &[JobId]) -> Vec<TaskState> {
        let mut states = Vec::new();
        for job in jobs {
            let tasks = self.store.tasks(&TenantId::default(), *job).await.unwrap().unwrap();
            states.extend(tasks.into_iter().map(|task| task.state));
        }
        states
    }

    pub async fn depth(&self) -> u64 {
        self.broker.depth(Queue::Light).await.unwrap()
    }

    fn count(&self, states: &[TaskState], state: TaskState) -> usize {
        states.iter().filter(|other| **other == state).count()
    }
}

#[tokio::test]
async fn the_task_of_an_unconfirmed_message_is_ready_again_and_the_next_round_dispatches_it() {
    let fixture = TestDispatcher::new().await;
    let jobs = fixture.submit(3).await;
    fixture.slots(10).await;
    fixture.broker.set(FaultRates { refuse: 1.0, ..FaultRates::none() });
    let mut round = Round::new(Queue::Light);
    let report = fixture.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((report.taken, report.confirmed), (3, 0));
    assert_eq!(
        fixture.dispatcher.credits.take().credits(),
        [],
        "no accept dispatches while nothing is confirmed"
    );
    assert_eq!(fixture.states(&jobs).await, [TaskState::Ready; 3]);
    fixture.broker.set(FaultRates::none());
    assert_eq!(fixture.dispatcher.run_once(&mut round).await.unwrap().taken, 3);
    assert_eq!(fixture.states(&jobs).await, [TaskState::Queued; 3]);
    assert!(fixture.depth().await >= 3);
}

#[tokio::test]
async fn a_broker_that_is_away_leaves_everything_ready() {
    let fixture = TestDispatcher::new().await;
    let jobs = fixture.submit(2).await;
    fixture.slots(10).await;
    fixture.broker.set_down(true);
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    assert_eq!(fixture.states(&jobs).await, [TaskState::Ready; 2]);
}

#[tokio::test]
async fn while_no_message_is_confirmed_rounds_are_spaced_out_however_much_waits() {
    let fixture = TestDispatcher::new().await;
    fixture.submit(50).await;
    fixture.slots(4).await;
    fixture.broker.set_down(true);
    let (began, stop) = (Instant::now(), CancellationToken::new());
    let running = tokio::spawn(fixture.dispatcher.clone().run(Queue::Light, stop.clone()));
    let handed_back = fixture.metrics.messages.with_label_values(&["light", "handed_back"]);
    while handed_back.get() < 3 * 4 {
        assert!(began.elapsed() < BOUND, "it tries again");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // At least half of 250 ms after the first round, and half of 500 ms after the second.
    assert!(
        began.elapsed() >= Duration::from_millis(375),
        "three rounds within {:?}",
        began.elapsed()
    );
    fixture.broker.set_down(false);
    let mut messages = fixture.broker.consume(Queue::Light, 100).await.unwrap();
    assert_eq!(
        timeout(BOUND, messages.next(4)).await.expect("dispatched once it is back").len(),
        4
    );
    stop.cancel();
    timeout(BOUND, running).await.expect("ends in time").unwrap();
}

#[tokio::test]
async fn dispatch_fills_the_free_slots_and_leaves_the_backlog_in_the_store() {
    let fixture = TestDispatcher::new().await;
    let jobs = fixture.submit(50).await;
    let mut round = Round::new(Queue::Light);
    assert_eq!(
        fixture.dispatcher.run_once(&mut round).await.unwrap().taken,
        0,
        "there is no worker"
    );
    fixture.slots(4).await;
    let report = fixture.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((report.taken, report.more), (4, true));
    let again = fixture.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((again.taken, again.more), (0, true), "there is no room");
    assert_eq!(fixture.depth().await, 4);
    let states = fixture.states(&jobs).await;
    assert_eq!(
        (fixture.count(&states, TaskState::Queued), fixture.count(&states, TaskState::Ready)),
        (4, 46)
    );
    assert_eq!(fixture.dispatcher.credits.take().credits(), [], "no accept passes the backlog");
}

#[tokio::test]
async fn an_idle_fleet_is_dispatched_by_the_accept_itself_up_to_its_slots() {
    let fixture = TestDispatcher::new().await;
    fixture.slots(2).await;
    fixture.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let jobs = fixture.submit(5).await;
    assert_eq!(fixture.depth().await, 2);
    let states = fixture.states(&jobs).await;
    assert_eq!(states[..2], [TaskState::Queued; 2], "the first ones are queued by the accept");
    assert_eq!(fixture.count(&states, TaskState::Ready), 3);
}

#[tokio::test]
async fn a_running_dispatcher_is_woken_by_an_accept_and_ends_with_its_token() {
    let fixture = TestDispatcher::new().await;
    fixture.slots(100).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(fixture.dispatcher.clone().run(Queue::Light, stop.clone()));
    let mut messages = fixture.broker.consume(Queue::Light, 100).await.unwrap();
    fixture.submit(20).await;
    let mut received = 0;
    while received < 20 {
        received += timeout(BOUND, messages.next(100)).await.expect("dispatched in time").len();
    }
    stop.cancel();
    timeout(BOUND, running).await.expect("ends in time").unwrap();
}

#[tokio::test]
async fn two_dispatchers_dispatch_no_task_twice() {
    let fixture = TestDispatcher::new().await;
    fixture.submit(40).await;
    fixture.slots(100).await;
    let (mut one, mut two) = (Round::new(Queue::Light), Round::new(Queue::Light));
    let (one, two) =
        tokio::join!(fixture.dispatcher.run_once(&mut one), fixture.dispatcher.run_once(&mut two));
    assert_eq!(one.unwrap().taken + two.unwrap().taken, 40);
    assert_eq!(fixture.depth().await, 40);
}
