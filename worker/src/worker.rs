//! A worker process, from its first heartbeat to its last.

use std::{path::PathBuf, sync::Arc, time::Duration};

use backing::{announce::Announcer, cache::Cache};
use common::{
    id::WorkerId,
    kind::Catalog,
    limits::HEARTBEAT_EVERY,
    port::{
        PortError,
        artifacts::Artifacts,
        broker::{Broker, Control, ControlStream},
        view_cache::ViewCache,
    },
    queue::Queue,
    store::{Store, WorkerRegistration},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    attempt::Shared,
    fetch::{Fetcher, Reach},
    heart::Heart,
    intake,
    kinds::Tools,
    leases::Leases,
    metrics::Metrics,
    providers::{self, Providers},
    settle::Settler,
    slots::{Company, Slots},
    stop::Reason,
};

/// What a worker stands on.
#[derive(Clone)]
pub struct Parts {
    /// The truth. An adapter keeps connections for heartbeats apart from those for other work.
    pub store: Arc<dyn Store>,
    /// The task message.
    pub broker: Arc<dyn Broker>,
    /// The window.
    pub view_cache: Arc<dyn ViewCache>,
    /// Files.
    pub artifacts: Arc<dyn Artifacts>,
    /// What is read again and could be computed again.
    pub cache: Cache,
    /// The kinds.
    pub catalog: Arc<Catalog>,
}

/// How a worker is to work.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its machine and process, for operators.
    pub name: String,
    /// Slots by queue. A queue that is left out, or has none, is not consumed.
    pub slots: Vec<(Queue, u32)>,
    /// How long running attempts may take to end when the worker is told to stop, before they are released.
    pub grace: Duration,
    /// From heartbeat to heartbeat: the lease is renewed, and how far each attempt is written down. At most [`common::limits::HEARTBEAT_EVERY`].
    pub heartbeat_every: Duration,
    /// The program that runs media children: our own binary.
    pub program: PathBuf,
    /// Where scratch folders are made.
    pub scratch: PathBuf,
    /// What sources may be fetched from.
    pub reach: Reach,
    /// Who writes, speaks, paints and listens.
    pub providers: providers::Config,
}

/// What was computed last is written to the view cache before a worker goes, if that takes no longer.
const CACHE_WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// A worker that is ready to run.
pub struct Worker {
    shared: Arc<Shared>,
    parts: Parts,
    settings: Settings,
}

impl Worker {
    /// Prepares a worker: sweeps scratch folders that a killed one left behind.
    pub fn new(parts: Parts, settings: Settings, metrics: Metrics) -> Result<Self, PortError> {
        let swept = media::cage::sweep(&settings.scratch).map_err(|error| {
            PortError::unavailable(
                "the scratch folder",
                format!("{}: {error}", settings.scratch.display()),
            )
        })?;
        if swept > 0 {
            tracing::info!(folders = swept, "removed what killed workers had left in scratch");
        }
        let worker = WorkerId::new();
        let announcer = Announcer::new(parts.view_cache.clone(), parts.broker.clone())
            .counting(parts.cache.memo_hits().clone(), parts.catalog.clone());
        let (reach, scratch) = (settings.reach.clone(), settings.scratch.clone());
        let fetcher = Fetcher::new(reach, parts.artifacts.clone(), parts.cache.clone(), scratch)?;
        let providers = Providers::new(&settings.providers, &metrics.providers)
            .map_err(|error| PortError::broken("the providers", error))?;
        let tools = Tools::new(&parts, fetcher, providers, &settings)
            .map_err(|error| PortError::broken("the cage", error))?;
        let shared = Shared {
            worker,
            store: parts.store.clone(),
            view_cache: parts.view_cache.clone(),
            catalog: parts.catalog.clone(),
            tools: Arc::new(tools),
            leases: Arc::new(Leases::default()),
            company: Company::default(),
            settler: Settler::new(parts.store.clone(), announcer.clone(), worker),
            announcer,
            metrics,
        };
        Ok(Self { shared: Arc::new(shared), parts, settings })
    }

    /// Works until `stop` is cancelled, then drains: takes nothing new, lets what runs end within the grace, releases the rest.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PortError> {
        let heart = self.start_heart()?;
        heart.first_heartbeat().await;
        let tracker = TaskTracker::new();
        let closing = CancellationToken::new();
        for slots in self.slots() {
            let prefetch = u16::try_from(slots.total).unwrap_or(u16::MAX);
            let deliveries = self.parts.broker.consume(slots.queue, prefetch).await?;
            tracker.spawn(intake::run(self.shared.clone(), slots, deliveries, closing.clone()));
        }
        let controls = self.parts.broker.listen().await?;
        let listening = tokio::spawn(obey(self.shared.leases.clone(), controls));
        tracing::info!(worker = %self.shared.worker, name = self.settings.name, "working");
        stop.cancelled().await;
        self.drain(&heart, tracker, closing).await;
        listening.abort();
        heart.stop();
        tracing::info!(worker = %self.shared.worker, "stopped");
        Ok(())
    }

    fn slots(&self) -> Vec<Slots> {
        let used = self.settings.slots.iter().filter(|(_, total)| *total > 0);
        used.map(|(queue, total)| Slots::new(*queue, *total)).collect()
    }

    fn start_heart(&self) -> Result<Heart, PortError> {
        let registration = WorkerRegistration {
            worker: self.shared.worker,
            name: self.settings.name.clone(),
            slots: self.settings.slots.clone(),
            draining: false,
        };
        let every = self.settings.heartbeat_every.min(HEARTBEAT_EVERY);
        Heart::start(self.parts.store.clone(), registration, self.shared.leases.clone(), every)
            .map_err(|error| PortError::broken("the heart", error))
    }

    async fn drain(&self, heart: &Heart, tracker: TaskTracker, closing: CancellationToken) {
        tracing::info!(running = self.shared.leases.len(), grace = ?self.settings.grace, "draining");
        heart.drain();
        closing.cancel();
        tracker.close();
        tracker.wait().await;
        if tokio::time::timeout(self.settings.grace, self.shared.leases.drained()).await.is_err() {
            tracing::info!(
                running = self.shared.leases.len(),
                "the grace is over: releasing what still runs"
            );
            self.shared.leases.stop_all(Reason::Released);
            self.shared.leases.drained().await;
        }
        self.shared.announcer.flush().await;
        // What is still being refreshed is nobody's loss.
        let _ = tokio::time::timeout(CACHE_WRITTEN_WITHIN, self.parts.cache.flush()).await;
    }
}

/// Hears what is told to the fleet: for a worker, that attempts are to stop.
async fn obey(leases: Arc<Leases>, mut controls: Box<dyn ControlStream>) {
    loop {
        if let Control::Cancel(tasks) = controls.next().await {
            leases.cancel(&tasks);
        }
    }
}
