//! One producer process, from its parts to its end.

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

/// What a producer stands on.
#[derive(Clone)]
pub struct Parts {
    /// The truth.
    pub store: Arc<dyn Store>,
    /// The task message.
    pub broker: Arc<dyn Broker>,
    /// The window.
    pub view_cache: Arc<dyn ViewCache>,
    /// Files.
    pub artifacts: Arc<dyn Artifacts>,
    /// What is read again and could be computed again.
    pub cache: Cache,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The kinds that may be asked for.
    pub catalog: Arc<Catalog>,
    /// What `/metrics` shows; a worker of the same process may count there too.
    pub registry: Registry,
}

/// How a producer is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What stands before `/v1/artifacts/…` in URLs, where it is not the address that was called; without a slash at its end.
    pub public_url: Option<String>,
    /// Submits are refused while more tasks than this wait in a queue.
    pub max_backlog: u64,
    /// A task whose workers died this often is failed as poison.
    pub quarantine_after: u16,
    /// Final jobs older than this are removed.
    pub keep_jobs: Duration,
    /// Memos unused for this long are removed.
    pub keep_memos: Duration,
    /// Artifacts that nothing has named for this long are removed.
    pub keep_artifacts: Duration,
    /// How long requests under way may take to end when the process is told to stop.
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
    /// Puts a producer together; nothing runs yet. Cancelling `stop` ends what [`Self::serve`] began.
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

    /// The HTTP surface alone, for tests and for embedding; without [`Self::start_duties`] nothing is dispatched.
    pub fn router(&self) -> Router {
        http::router(self.api.clone())
    }

    /// Starts the dispatchers, the sweeper and the rest; they end when `stop` is cancelled.
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

    /// Serves and does its duties until `stop` is cancelled. Then, in this order: takes no new connection and lets requests under way
    /// end within the grace; lets the duties end; waits until accepted work has been dispatched for and told.
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
        // A server that failed ends the duties too.
        self.stop.cancel();
        duties.wait().await;
        self.api.submitter.flush().await;
        self.notifier.flush().await;
        served
    }
}
