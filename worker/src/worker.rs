//! A worker, from its first heartbeat to its last.

use std::{path::PathBuf, sync::Arc, thread::available_parallelism, time::Duration};

use backing::announce::Announcer;
use common::{
    id::WorkerId,
    limits::{HEARTBEAT_EVERY, LEASE},
    port::{
        PortError,
        broker::{Control, ControlStream},
    },
    queue::Queue,
    store::WorkerRegistration,
};
use media::sandbox::SandboxPolicy;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    attempt::Shared,
    context::Tools,
    dependencies::Dependencies,
    fetch::{Fetcher, Reach},
    heartbeat::HeartbeatThread,
    intake, kinds,
    leases::Leases,
    media_process::sandbox,
    metrics::Metrics,
    providers::{self, Providers},
    settle::Settler,
    slots::{RunPermits, Slots},
    stop::Reason,
};

/// The settings of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Machine and process, for operators.
    pub name: String,
    /// Slots by queue. A queue without slots is not consumed.
    pub slots: Vec<(Queue, u32)>,
    /// Longest time that running attempts get to end when the worker is asked to stop. Then they
    /// are released.
    pub grace: Duration,
    /// Time between heartbeats, which renew the leases and store the progress. At most
    /// [`common::limits::HEARTBEAT_EVERY`].
    pub heartbeat_every: Duration,
    /// The program that runs as the media process when it is called with
    /// `MEDIA_PROCESS_ARGUMENT`.
    pub program: PathBuf,
    /// The folder for scratch folders.
    pub scratch: PathBuf,
    /// The rule for machines that lack a layer of the media processes' sandbox.
    pub sandbox: SandboxPolicy,
    /// The sources that may be fetched.
    pub reach: Reach,
    /// The providers of text, speech, pictures and transcripts.
    pub providers: providers::Config,
}

/// Longest wait, when a worker stops, for the last computed values to reach the view cache.
const CACHE_FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// A worker that is ready to run.
pub struct Worker {
    shared: Arc<Shared>,
    dependencies: Dependencies,
    settings: Settings,
}

impl Worker {
    /// Creates a worker, and removes the scratch folders of killed workers.
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
            tracing::info!(folders = swept, "removed the scratch folders of killed workers");
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
                .map_err(|error| PortError::broken("the sandbox", error))?
                .with_policy(settings.sandbox),
            scratch: settings.scratch.clone(),
            processors: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
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

    /// Runs until `stop` is cancelled, then drains: takes no new tasks, lets running attempts end
    /// within the grace, and releases the others.
    ///
    /// Takes no task at all if the settings require every layer of the sandbox and this machine
    /// lacks one.
    pub async fn run(self, stop: CancellationToken) -> Result<(), PortError> {
        if self.settings.sandbox == SandboxPolicy::Require {
            let checked = self.shared.tools.sandbox.check(&self.settings.scratch).await;
            checked.map_err(|lacking| PortError::broken("the sandbox", lacking))?;
        }
        let heartbeat = self.start_heartbeat()?;
        let (intakes, closing) = (TaskTracker::new(), CancellationToken::new());
        // A worker that does not reach its servers yet must hear `stop` as well.
        let begun = stop.run_until_cancelled(self.begin(&heartbeat, &intakes, &closing)).await;
        let listening = begun.transpose()?;
        stop.cancelled().await;
        self.drain(&heartbeat, intakes, closing).await;
        if let Some(listening) = listening {
            listening.abort();
        }
        heartbeat.stop();
        tracing::info!(worker = %self.shared.worker, "stopped");
        Ok(())
    }

    /// Waits for the first heartbeat, and starts an intake for each queue and the task that listens
    /// to control messages, which it returns.
    async fn begin(
        &self,
        heartbeat: &HeartbeatThread,
        intakes: &TaskTracker,
        closing: &CancellationToken,
    ) -> Result<JoinHandle<()>, PortError> {
        heartbeat.first().await;
        for slots in self.slots() {
            let prefetch = u16::try_from(slots.total).unwrap_or(u16::MAX);
            let deliveries = self.dependencies.broker.consume(slots.queue, prefetch).await?;
            intakes.spawn(intake::run(self.shared.clone(), slots, deliveries, closing.clone()));
        }
        let controls = self.dependencies.broker.listen().await?;
        let listening = tokio::spawn(hasten_cancels(self.shared.leases.clone(), controls));
        tracing::info!(worker = %self.shared.worker, name = self.settings.name, "working");
        Ok(listening)
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
            kinds: kinds::versions(),
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
        let grace = self.settings.grace;
        tracing::info!(running = self.shared.leases.len(), ?grace, "draining");
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
            // A verdict that the store does not take for so long is void: its lease has expired.
            if tokio::time::timeout(LEASE, self.shared.leases.drained()).await.is_err() {
                tracing::warn!(
                    running = self.shared.leases.len(),
                    "the store takes no verdicts; their leases expire"
                );
            }
        }
        self.shared.announcer.flush().await;
        // A refresh that does not finish loses nothing.
        let _ = tokio::time::timeout(CACHE_FLUSH_WITHIN, self.dependencies.cache.flush()).await;
    }
}

/// Has the store asked at once about attempts that control messages want cancelled.
async fn hasten_cancels(leases: Arc<Leases>, mut controls: Box<dyn ControlStream>) {
    loop {
        if let Control::Cancel(tasks) = controls.next().await {
            leases.hasten(&tasks);
        }
    }
}
