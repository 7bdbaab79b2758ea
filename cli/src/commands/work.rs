//! `work`: takes tasks and runs them, on the production adapters.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use clap::Args;
use common::port::{PortError, PortResult};
use producer::CacheReport;
use prometheus::TextEncoder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    dependencies::{Dependencies, catalog, worker_settings},
    exit::{CommandResult, Failure},
    options::SlotArgs,
    signals,
};

/// Options of `work`.
#[derive(Debug, Args)]
pub struct Work {
    #[command(flatten)]
    pub slots: SlotArgs,
    /// Lets sources be local files below this folder (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    /// Serves `/health` and `/metrics` at this address.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// Longest wait of a readiness probe for one dependency, the same as in the API. Probes commonly
/// give up after a second or two.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Connections to the health routes: a few probes and scrapers.
const MAX_PROBES: usize = 64;

/// Runs until a signal.
pub async fn run(options: Work, config: Config) -> CommandResult {
    let stop = signals::stop_on_signals()?;
    let listener = match options.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let settings = worker_settings(&config, options.slots.by_queue(), &options.allow, user_root)?;
    let opening = Dependencies::production(&config, "spool work");
    let Some(dependencies) = stop.run_until_cancelled(opening).await.transpose()? else {
        return Ok(());
    };
    let dependencies = dependencies.with_disk_cache(&config, &settings.scratch)?;
    let worker = dependencies.worker(catalog(config.echo, &config), settings)?;
    if let Some(listener) = listener {
        tokio::spawn(producer::serve_connections(
            listener,
            health(dependencies),
            producer::ConnectionBounds::of(MAX_PROBES),
            stopped(stop.clone()),
        ));
    }
    Ok(worker.run(stop).await?)
}

/// Returns the scratch folder of this user.
fn user_root() -> Result<PathBuf, Failure> {
    media::sandbox::user_root().map_err(|error| {
        Failure::Configuration(format!(
            "no scratch folder can be made: {error}; name one with `scratch` or SPOOL_SCRATCH"
        ))
    })
}

/// Binds the address of the health routes. Any is allowed, unlike for the API: these routes are
/// read-only and name no job, and an orchestrator or a scraper is seldom on this machine.
async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::Configuration(format!(
            "{address} can't be listened on: {error}; give another address with --listen"
        ))
    })
}

async fn stopped(stop: CancellationToken) {
    stop.cancelled().await;
}

/// Returns the routes of a worker that orchestrators and scrapers read.
fn health(dependencies: Dependencies) -> Router {
    Router::new()
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/admin/cache", get(caches))
        .with_state(Arc::new(dependencies))
}

/// Reports whether the store, the broker (with every consumer attached) and the artifacts are
/// reachable. A worker goes on without the view cache.
async fn ready(State(dependencies): State<Arc<Dependencies>>) -> (StatusCode, String) {
    let (store, broker, artifacts) = tokio::join!(
        in_time(dependencies.store.check()),
        in_time(dependencies.broker.check()),
        in_time(dependencies.artifacts.check())
    );
    let errors: Vec<String> = [store, broker, artifacts]
        .into_iter()
        .filter_map(|result| result.err().map(|e| e.to_string()))
        .collect();
    match errors.is_empty() {
        true => (StatusCode::OK, "ready".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, errors.join("\n")),
    }
}

/// Runs a check. Without a result in time it fails, because a probe must be quick.
async fn in_time(check: impl Future<Output = PortResult<()>>) -> PortResult<()> {
    let silent = |_| {
        Err(PortError::unavailable("a dependency", format!("no answer within {READY_WITHIN:?}")))
    };
    tokio::time::timeout(READY_WITHIN, check).await.unwrap_or_else(silent)
}

/// Returns the report that the API has too: the contents and hit rates of this worker's caches.
async fn caches(State(dependencies): State<Arc<Dependencies>>) -> Json<CacheReport> {
    Json(CacheReport::of(&dependencies.cache, dependencies.disk.as_deref()).await)
}

async fn metrics(State(dependencies): State<Arc<Dependencies>>) -> Result<String, StatusCode> {
    TextEncoder::new()
        .encode_to_string(&dependencies.registry.gather())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
