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
    changes::ChangeNotifier,
    metrics::Metrics,
    submit::{Accepting, Submitter, plan::Planner},
    sweeper::schedules::Firing,
};

const BOUND: Duration = Duration::from_secs(20);

/// A dispatcher on the embedded store and a broker that fails as it is told.
pub struct Rig {
    pub store: Arc<SqliteStore>,
    pub broker: Arc<FaultyBroker>,
    pub dispatcher: Dispatcher,
    pub submitter: Submitter,
    pub notifier: ChangeNotifier,
    pub metrics: Metrics,
    pub worker: WorkerId,
    _folder: TempDir,
}

impl Rig {
    pub async fn new() -> Self {
        Self::by(Arc::new(SystemClock)).await
    }

    /// With this for the time of the store and of calls.
    pub async fn by(clock: Arc<dyn Clock>) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Arc::new(
            SqliteStore::open_with(&folder.path().join("spool.db"), clock.clone()).await.unwrap(),
        );
        let broker =
            Arc::new(FaultyBroker::new(Arc::new(LocalBroker::new()), FaultRates::none(), 7));
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let (credits, wakes) = (Arc::new(Credits::default()), Arc::new(Wakes::default()));
        let task_publisher = TaskPublisher::new(store.clone(), broker.clone(), metrics.clone());
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
            worker: WorkerId::new(),
            _folder: folder,
        }
    }

    /// What fires schedules.
    pub fn firing(&self) -> Firing {
        let catalog = Arc::new(Catalog::new(&[&[echo::SPEC]]));
        let (store, submitter, metrics) =
            (self.store.clone(), self.submitter.clone(), self.metrics.clone());
        Firing { store, catalog, submitter, metrics }
    }

    pub async fn slots(&self, slots: u32) {
        let slots = vec![(Queue::Light, slots)];
        let registration =
            WorkerRegistration { worker: self.worker, name: "test".into(), slots, draining: false };
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

    fn count(&self, states: &[TaskState], wanted: TaskState) -> usize {
        states.iter().filter(|state| **state == wanted).count()
    }
}

#[tokio::test]
async fn a_message_that_was_not_confirmed_gives_its_task_back_and_the_next_round_rings_it() {
    let rig = Rig::new().await;
    let jobs = rig.submit(3).await;
    rig.slots(10).await;
    rig.broker.set(FaultRates { refuse: 1.0, ..FaultRates::none() });
    let mut round = Round::new(Queue::Light);
    let step = rig.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((step.taken, step.confirmed), (3, 0));
    assert_eq!(
        rig.dispatcher.credits.take().credits(),
        [],
        "no accept dispatches where nothing is heard"
    );
    assert_eq!(rig.states(&jobs).await, [TaskState::Ready; 3]);
    rig.broker.set(FaultRates::none());
    assert_eq!(rig.dispatcher.run_once(&mut round).await.unwrap().taken, 3);
    assert_eq!(rig.states(&jobs).await, [TaskState::Queued; 3]);
    assert!(rig.depth().await >= 3);
}

#[tokio::test]
async fn a_broker_that_is_away_leaves_everything_ready() {
    let rig = Rig::new().await;
    let jobs = rig.submit(2).await;
    rig.slots(10).await;
    rig.broker.set_down(true);
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    assert_eq!(rig.states(&jobs).await, [TaskState::Ready; 2]);
}

#[tokio::test]
async fn while_no_message_is_heard_rounds_are_spaced_out_however_much_waits() {
    let rig = Rig::new().await;
    rig.submit(50).await;
    rig.slots(4).await;
    rig.broker.set_down(true);
    let (began, stop) = (Instant::now(), CancellationToken::new());
    let running = tokio::spawn(rig.dispatcher.clone().run(Queue::Light, stop.clone()));
    let handed_back = rig.metrics.messages.with_label_values(&["light", "handed_back"]);
    while handed_back.get() < 3 * 4 {
        assert!(began.elapsed() < BOUND, "it goes on trying");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // At the least half of 250 ms after the first round, and half of 500 after the second.
    assert!(
        began.elapsed() >= Duration::from_millis(375),
        "three rounds within {:?}",
        began.elapsed()
    );
    rig.broker.set_down(false);
    let mut messages = rig.broker.consume(Queue::Light, 100).await.unwrap();
    assert_eq!(
        timeout(BOUND, messages.next(4)).await.expect("dispatched once it is back").len(),
        4
    );
    stop.cancel();
    timeout(BOUND, running).await.expect("stops in time").unwrap();
}

#[tokio::test]
async fn no_more_is_dispatched_than_there_are_free_slots_and_the_backlog_stays_in_the_store() {
    let rig = Rig::new().await;
    let jobs = rig.submit(50).await;
    let mut round = Round::new(Queue::Light);
    assert_eq!(rig.dispatcher.run_once(&mut round).await.unwrap().taken, 0, "nobody works");
    rig.slots(4).await;
    let step = rig.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((step.taken, step.more), (4, true));
    let again = rig.dispatcher.run_once(&mut round).await.unwrap();
    assert_eq!((again.taken, again.more), (0, true), "the window is full");
    assert_eq!(rig.depth().await, 4);
    let states = rig.states(&jobs).await;
    assert_eq!(
        (rig.count(&states, TaskState::Queued), rig.count(&states, TaskState::Ready)),
        (4, 46)
    );
    assert_eq!(rig.dispatcher.credits.take().credits(), [], "no accept passes the backlog");
}

#[tokio::test]
async fn an_idle_fleet_is_dispatched_by_the_accept_itself_up_to_its_slots() {
    let rig = Rig::new().await;
    rig.slots(2).await;
    rig.dispatcher.run_once(&mut Round::new(Queue::Light)).await.unwrap();
    let jobs = rig.submit(5).await;
    assert_eq!(rig.depth().await, 2);
    let states = rig.states(&jobs).await;
    assert_eq!(states[..2], [TaskState::Queued; 2], "the first ones went straight through");
    assert_eq!(rig.count(&states, TaskState::Ready), 3);
}

#[tokio::test]
async fn a_dispatcher_that_runs_is_woken_by_an_accept_and_stops_when_told() {
    let rig = Rig::new().await;
    rig.slots(100).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(rig.dispatcher.clone().run(Queue::Light, stop.clone()));
    let mut messages = rig.broker.consume(Queue::Light, 100).await.unwrap();
    rig.submit(20).await;
    let mut heard = 0;
    while heard < 20 {
        heard += timeout(BOUND, messages.next(100)).await.expect("dispatched in time").len();
    }
    stop.cancel();
    timeout(BOUND, running).await.expect("stops in time").unwrap();
}

#[tokio::test]
async fn two_dispatchers_dispatch_no_task_twice() {
    let rig = Rig::new().await;
    rig.submit(40).await;
    rig.slots(100).await;
    let (mut one, mut two) = (Round::new(Queue::Light), Round::new(Queue::Light));
    let (one, two) =
        tokio::join!(rig.dispatcher.run_once(&mut one), rig.dispatcher.run_once(&mut two));
    assert_eq!(one.unwrap().taken + two.unwrap().taken, 40);
    assert_eq!(rig.depth().await, 40);
}
