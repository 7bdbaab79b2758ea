//! One producer process: its parts, its start and its end.

use std::{future::IntoFuture, io, sync::Arc, time::Duration};

use axum::Router;
use backing::{announce::Announcer, cache::Cache};
use common::{
    kind::Catalog,
    limits::{MAX_GROUP, QUARANTINE_AFTER},
    port::{artifacts::Artifacts, broker::Broker, clock::Clock, view_cache::ViewCache},
    queue::Queue,
    store::{Retention, Store, SweepPolicy},
};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    backlog::{Backlog, Gauge},
    change::Changer,
    changes::ChangeNotifier,
    dispatcher::{Dispatcher, credit::Credits, task_publisher::TaskPublisher, wakes::Wakes},
    http::{self, Api},
    metrics::Metrics,
    read::{Reader, watch::Watch},
    submit::{Accepting, Submitter},
    sweeper::{
        Sweeper,
        artifacts::Collector,
        lost_messages::{LostMessages, OVERDUE_AFTER},
        retention::Retainer,
        schedules::Firing,
    },
};

/// The ports and settings that a producer needs.
#[derive(Clone)]
pub struct Parts {
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

/// Settings of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// URL prefix of `/v1/artifacts/…`, without a slash at its end, where it differs from the
    /// address that was called.
    pub public_url: Option<String>,
    /// Submits are refused while more tasks than this wait in a queue.
    pub max_backlog: u64,
    /// A task that lost this many workers fails as poison.
    pub quarantine_after: u16,
    /// Final jobs older than this are removed.
    pub keep_jobs: Duration,
    /// Memos unused for this long are removed.
    pub keep_memos: Duration,
    /// Artifacts without a reference for this long are removed.
    pub keep_artifacts: Duration,
    /// The longest that open requests may take when the process is told to stop.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        Self {
            public_url: None,
            max_backlog: u64::MAX,
            quarantine_after: QUARANTINE_AFTER,
            keep_jobs: days(30),
            keep_memos: days(7),
            keep_artifacts: days(1),
            grace: Duration::from_secs(10),
        }
    }
}

/// A producer that is ready to serve.
pub struct Producer {
    api: Arc<Api>,
    dispatcher: Dispatcher,
    sweeper: Sweeper,
    retainer: Retainer,
    gauge: Gauge,
    watch: Arc<Watch>,
    notifier: ChangeNotifier,
    stop: CancellationToken,
}

impl Producer {
    /// Builds a producer; it starts nothing. Cancelling `stop` ends [`Self::serve`].
    pub fn new(
        parts: Parts,
        settings: Settings,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        let Parts { store, broker, view_cache, artifacts, cache, clock, catalog, registry } = parts;
        let (wakes, credits) = (Arc::new(Wakes::default()), Arc::new(Credits::default()));
        let announcer = Announcer::new(view_cache.clone(), broker.clone())
            .counting(cache.memo_hits().clone(), catalog.clone());
        let notifier = ChangeNotifier::new(announcer, wakes.clone(), credits.clone());
        let task_publisher = TaskPublisher::new(store.clone(), broker.clone(), metrics.clone());
        let accepting = Accepting::new(
            store.clone(),
            credits.clone(),
            task_publisher.clone(),
            notifier.clone(),
        );
        let watch = Arc::new(Watch::new(metrics.waiters.clone()));
        let backlog = Arc::new(Backlog::default());
        let reader = Reader::new(
            store.clone(),
            view_cache.clone(),
            watch.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let changer = Changer {
            store: store.clone(),
            view_cache: view_cache.clone(),
            notifier: notifier.clone(),
        };
        let messages = LostMessages {
            store: store.clone(),
            broker: broker.clone(),
            task_publisher: task_publisher.clone(),
            metrics: metrics.clone(),
            overdue_after: OVERDUE_AFTER,
        };
        let submitter = Submitter::new(accepting);
        let firing = Firing {
            store: store.clone(),
            catalog: catalog.clone(),
            submitter: submitter.clone(),
            metrics: metrics.clone(),
        };
        let most = MAX_GROUP as u32;
        let policy = SweepPolicy { quarantine_after: settings.quarantine_after, most };
        let retention = Retention { jobs: settings.keep_jobs, memos: settings.keep_memos, most };
        Self {
            dispatcher: Dispatcher {
                store: store.clone(),
                task_publisher,
                credits,
                wakes,
                clock: clock.clone(),
            },
            sweeper: Sweeper {
                store: store.clone(),
                notifier: notifier.clone(),
                metrics: metrics.clone(),
                policy,
                messages,
                firing,
            },
            retainer: Retainer {
                store: store.clone(),
                retention,
                collector: Collector::new(
                    store.clone(),
                    artifacts.clone(),
                    settings.keep_artifacts,
                ),
                metrics: metrics.clone(),
            },
            gauge: Gauge {
                store: store.clone(),
                broker: broker.clone(),
                backlog: backlog.clone(),
                metrics: metrics.clone(),
            },
            watch,
            notifier,
            stop,
            api: Arc::new(Api {
                submitter,
                store,
                broker,
                view_cache,
                artifacts,
                cache,
                clock,
                catalog,
                reader,
                changer,
                backlog,
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
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let duties = self.start_duties();
        let stopping = self.stop.clone();
        let server = axum::serve(listener, self.router())
            .with_graceful_shutdown(async move { stopping.cancelled().await })
            .into_future();
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.api.settings.grace).await;
        };
        let served = tokio::select! {
            served = server => served,
            () = overdue => {
                tracing::warn!("requests were still under way after the grace; they are cut off");
                Ok(())
            }
        };
        // A failed server ends the duties too.
        self.stop.cancel();
        duties.wait().await;
        self.api.submitter.flush().await;
        self.notifier.flush().await;
        served
    }
}
