//! One producer process: its construction, its start and its end.

use std::sync::Arc;

use axum::Router;
use backing::{announce::Announcer, cache::Cache};
use common::{
    kind::Catalog,
    limits::MAX_GROUP,
    port::{artifacts::Artifacts, broker::Broker, clock::Clock, view_cache::ViewCache},
    queue::Queue,
    store::{Retention, Store, SweepPolicy},
};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    backlog::{Backlog, BacklogGauge},
    broker_health::BrokerHealth,
    changes::ChangeNotifier,
    dispatcher::{Dispatcher, credit::Credits, task_publisher::TaskPublisher, wakes::Wakes},
    http::{self, connections::ConnectionBounds, state::Api},
    job_control::JobControl,
    metrics::ProducerMetrics,
    offload::Offloader,
    read::{JobReader, watch::JobWatch},
    settings::ProducerSettings,
    submit::{Accepting, Submitter, calls::SubmitCalls},
    sweeper::{
        Sweeper,
        artifacts::ArtifactCollector,
        lost_messages::{LostMessages, OVERDUE_AFTER},
        retention::Retainer,
        schedules::ScheduleFirer,
    },
};

/// The ports and shared state that a producer needs.
#[derive(Clone)]
pub struct ProducerDependencies {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub view_cache: Arc<dyn ViewCache>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    pub clock: Arc<dyn Clock>,
    /// The kinds that clients may ask for.
    pub catalog: Arc<Catalog>,
    /// The registry behind `/metrics`; a worker of the same process may count there too.
    pub registry: Registry,
}

/// A producer that is ready to serve.
pub struct Producer {
    api: Arc<Api>,
    dispatcher: Dispatcher,
    sweeper: Sweeper,
    retainer: Retainer,
    gauge: BacklogGauge,
    watch: Arc<JobWatch>,
    notifier: ChangeNotifier,
    stop: CancellationToken,
}

impl Producer {
    /// Builds a producer; it starts nothing. Cancelling `stop` ends [`Self::serve`].
    pub fn new(
        dependencies: ProducerDependencies,
        settings: ProducerSettings,
        metrics: ProducerMetrics,
        stop: CancellationToken,
    ) -> Self {
        let ProducerDependencies {
            store,
            broker,
            view_cache,
            artifacts,
            cache,
            clock,
            catalog,
            registry,
        } = dependencies;
        let (wakes, credits) = (Arc::new(Wakes::default()), Arc::new(Credits::default()));
        let announcer = Announcer::new(view_cache.clone(), broker.clone())
            .counting(cache.memo_hits().clone(), catalog.clone());
        let notifier = ChangeNotifier::new(announcer, wakes.clone(), credits.clone());
        let broker_health = Arc::new(BrokerHealth::new(clock.clone()));
        let task_publisher = TaskPublisher::new(
            store.clone(),
            broker.clone(),
            metrics.clone(),
            broker_health.clone(),
        );
        let accepting = Accepting::new(
            store.clone(),
            credits.clone(),
            task_publisher.clone(),
            notifier.clone(),
        );
        let watch = Arc::new(JobWatch::new(metrics.waiters.clone()));
        let backlog = Arc::new(Backlog::default());
        let reader = JobReader::new(
            store.clone(),
            view_cache.clone(),
            watch.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let job_control = JobControl {
            store: store.clone(),
            view_cache: view_cache.clone(),
            notifier: notifier.clone(),
            clock: clock.clone(),
        };
        let messages = LostMessages {
            store: store.clone(),
            broker: broker.clone(),
            task_publisher: task_publisher.clone(),
            metrics: metrics.clone(),
            overdue_after: OVERDUE_AFTER,
        };
        let submitter = Submitter::new(accepting);
        let offloader = Offloader::default();
        let firer = ScheduleFirer {
            store: store.clone(),
            catalog: catalog.clone(),
            submitter: submitter.clone(),
            metrics: metrics.clone(),
            offloader: offloader.clone(),
        };
        let submit = SubmitCalls {
            store: store.clone(),
            submitter,
            catalog: catalog.clone(),
            clock: clock.clone(),
            backlog: backlog.clone(),
            max_backlog: settings.max_backlog,
            metrics: metrics.clone(),
            offloader,
        };
        let most = MAX_GROUP as u32;
        let policy = SweepPolicy { quarantine_after: settings.quarantine_after, most };
        let retention = Retention { jobs: settings.keep_jobs, memos: settings.keep_memos, most };
        Self {
            dispatcher: Dispatcher { store: store.clone(), task_publisher, credits, wakes, clock },
            sweeper: Sweeper {
                store: store.clone(),
                notifier: notifier.clone(),
                metrics: metrics.clone(),
                policy,
                messages,
                firer,
            },
            retainer: Retainer {
                store: store.clone(),
                retention,
                collector: ArtifactCollector::new(
                    store.clone(),
                    artifacts.clone(),
                    settings.keep_artifacts,
                ),
                metrics: metrics.clone(),
            },
            gauge: BacklogGauge {
                store: store.clone(),
                broker: broker.clone(),
                broker_health: broker_health.clone(),
                backlog,
                metrics: metrics.clone(),
            },
            watch,
            notifier,
            stop,
            api: Arc::new(Api {
                store,
                broker,
                broker_health,
                view_cache,
                artifacts,
                cache,
                catalog,
                submit,
                reader,
                job_control,
                metrics,
                registry,
                settings,
            }),
        }
    }

    /// The HTTP surface alone, for tests and for embedding; without [`Self::start_duties`] nothing
    /// is dispatched.
    pub fn router(&self) -> Router {
        http::router(self.api.clone())
    }

    /// Starts the dispatchers, the sweeper and the other duties; they end when `stop` is cancelled.
    pub fn start_duties(&self) -> TaskTracker {
        let duties = TaskTracker::new();
        let stop = || self.stop.clone();
        for queue in Queue::ALL {
            duties.spawn(self.dispatcher.clone().run(queue, stop()));
        }
        duties.spawn(self.sweeper.clone().run(stop()));
        duties.spawn(self.retainer.clone().run(stop()));
        duties.spawn(self.gauge.clone().run(stop()));
        duties.spawn(crate::controls::refresh(self.api.store.clone(), self.api.catalog.clone()));
        duties.spawn(self.watch.clone().follow_view_cache(self.api.view_cache.clone(), stop()));
        let wakes = self.dispatcher.wakes.clone();
        duties.spawn(self.watch.clone().follow_control(self.api.broker.clone(), wakes, stop()));
        duties.close();
        duties
    }

    /// Serves requests and runs the duties until `stop` is cancelled. Then, in this order: accepts
    /// no new connection and lets open requests end within the grace period; ends the duties; waits
    /// until accepted work is dispatched and all notifications are sent.
    pub async fn serve(self, listener: TcpListener) {
        let duties = self.start_duties();
        let stopping = self.stop.clone();
        let server = http::connections::serve(
            listener,
            self.router(),
            ConnectionBounds::of(self.api.settings.max_connections),
            async move { stopping.cancelled().await },
        );
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.api.settings.grace).await;
        };
        tokio::select! {
            () = server => {}
            () = overdue => {
                tracing::warn!("requests were still under way after the grace; they are cut off");
            }
        }
        duties.wait().await;
        self.api.submit.submitter.flush().await;
        self.notifier.flush().await;
    }
}
