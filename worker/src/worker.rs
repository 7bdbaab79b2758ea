//! A worker process, from its first heartbeat to its last.

use std::{path::PathBuf, sync::Arc, time::Duration};

use backing::announce::Announcer;
use common::{
    id::WorkerId,
    limits::HEARTBEAT_EVERY,
    port::{
        PortError,
        broker::{Control, ControlStream},
    },
    queue::Queue,
    store::WorkerRegistration,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    attempt::Shared,
    context::Tools,
    dependencies::Dependencies,
    fetch::{Fetcher, Reach},
    heartbeat::HeartbeatThread,
    intake,
    leases::Leases,
    media_process::sandbox,
    metrics::Metrics,
    providers::{self, Providers},
    settle::Settler,
    slots::{RunPermits, Slots},
    stop::Reason,
};

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

/// Longest wait, when a worker stops, for the last computed values to reach the view cache.
const CACHE_WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// A worker that is ready to run.
pub struct Worker {
    shared: Arc<Shared>,
    dependencies: Dependencies,
    settings: Settings,
}

impl Worker {
    /// Prepares a worker: sweeps scratch folders that a killed one left behind.
    pub fn new(
        dependencies: Dependencies,
        settings: Settings,
        metrics: Metrics,
    ) -> Result<Self, PortError> {
        let swept = media::sandbox::sweep(&settings.scratch).map_err(|error| {
            PortError::unavailable(
                "the scratch folder",
                format!("{}: {error}", settings.scratch.display()),
            )
        })?;
        if swept > 0 {
            tracing::info!(folders = swept, "removed what killed workers had left in scratch");
        }
        let worker = WorkerId::new();
        let announcer =
            Announcer::new(dependencies.view_cache.clone(), dependencies.broker.clone())
                .counting(dependencies.cache.memo_hits().clone(), dependencies.catalog.clone());
        let (reach, scratch) = (settings.reach.clone(), settings.scratch.clone());
        let fetcher = Fetcher::new(
            reach,
            dependencies.artifacts.clone(),
            dependencies.cache.clone(),
            scratch,
        )?;
        let providers = Providers::new(&settings.providers, &metrics.providers)
            .map_err(|error| PortError::broken("the providers", error))?;
        let tools = Tools {
            store: dependencies.store.clone(),
            artifacts: dependencies.artifacts.clone(),
            cache: dependencies.cache.clone(),
            fetcher,
            sandbox: sandbox(settings.program.clone())
                .map_err(|error| PortError::broken("the sandbox", error))?,
            scratch: settings.scratch.clone(),
        };
        let shared = Shared {
            worker,
            store: dependencies.store.clone(),
            view_cache: dependencies.view_cache.clone(),
            catalog: dependencies.catalog.clone(),
            tools: Arc::new(tools),
            providers: Arc::new(providers),
            leases: Arc::new(Leases::default()),
            permits: RunPermits::default(),
            settler: Settler::new(dependencies.store.clone(), announcer.clone(), worker),
            announcer,
            metrics,
        };
        Ok(Self { shared: Arc::new(shared), dependencies, settings })
    }

    /// Works until `stop` is cancelled, then drains: takes nothing new, lets what runs end within the grace, releases the rest.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PortError> {
        let heartbeat = self.start_heartbeat()?;
        heartbeat.first().await;
        let tracker = TaskTracker::new();
        let closing = CancellationToken::new();
        for slots in self.slots() {
            let prefetch = u16::try_from(slots.total).unwrap_or(u16::MAX);
            let deliveries = self.dependencies.broker.consume(slots.queue, prefetch).await?;
            tracker.spawn(intake::run(self.shared.clone(), slots, deliveries, closing.clone()));
        }
        let controls = self.dependencies.broker.listen().await?;
        let listening = tokio::spawn(obey(self.shared.leases.clone(), controls));
        tracing::info!(worker = %self.shared.worker, name = self.settings.name, "working");
        stop.cancelled().await;
        self.drain(&heartbeat, tracker, closing).await;
        listening.abort();
        heartbeat.stop();
        tracing::info!(worker = %self.shared.worker, "stopped");
        Ok(())
    }

    fn slots(&self) -> Vec<Slots> {
        let used = self.settings.slots.iter().filter(|(_, total)| *total > 0);
        used.map(|(queue, total)| Slots::new(*queue, *total)).collect()
    }

    fn start_heartbeat(&self) -> Result<HeartbeatThread, PortError> {
        let registration = WorkerRegistration {
            worker: self.shared.worker,
            name: self.settings.name.clone(),
            slots: self.settings.slots.clone(),
            draining: false,
        };
        let every = self.settings.heartbeat_every.min(HEARTBEAT_EVERY);
        HeartbeatThread::start(
            self.dependencies.store.clone(),
            registration,
            self.shared.leases.clone(),
            every,
        )
        .map_err(|error| PortError::broken("the heartbeat", error))
    }

    async fn drain(
        &self,
        heartbeat: &HeartbeatThread,
        tracker: TaskTracker,
        closing: CancellationToken,
    ) {
        tracing::info!(running = self.shared.leases.len(), grace = ?self.settings.grace, "draining");
        heartbeat.drain();
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
        let _ = tokio::time::timeout(CACHE_WRITTEN_WITHIN, self.dependencies.cache.flush()).await;
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
