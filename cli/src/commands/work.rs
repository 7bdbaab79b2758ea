//! `work`: takes tasks and runs them, on the production adapters.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use common::port::{PortError, PortResult};
use producer::CacheReport;
use prometheus::TextEncoder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    args::Work,
    config::Config,
    dependencies::{Dependencies, catalog, worker_settings},
    exit::{CommandResult, Failure},
    signals,
};

/// The same as the API's: probes commonly give up after a second or two.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Runs until a signal.
pub async fn run(options: Work, config: Config) -> CommandResult {
    let stop = signals::stop_on_signals()?;
    let listener = match options.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let scratch = std::env::temp_dir().join("spool-scratch");
    let settings = worker_settings(&config, options.slots.by_queue(), &options.allow, scratch)?;
    let parts = Dependencies::production(&config, "spool work")
        .await?
        .keep_near(&config, &settings.scratch)?;
    let worker = parts.worker(catalog(config.echo, &config), settings)?;
    if let Some(listener) = listener {
        let server =
            axum::serve(listener, health(parts)).with_graceful_shutdown(stopped(stop.clone()));
        tokio::spawn(async move { server.await });
    }
    Ok(worker.run(stop).await?)
}

/// Any address is allowed, unlike for the API: these routes are read-only and name no job, and an
/// orchestrator or a scraper is seldom on this machine.
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

/// The routes that an orchestrator asks a worker for.
fn health(parts: Dependencies) -> Router {
    Router::new()
        .route("/health/live", get(|| async { "live" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/admin/cache", get(caches))
        .with_state(Arc::new(parts))
}

/// Ready means that the store, the broker (with every consumer attached) and the artifacts answer.
/// A worker goes on without the view cache.
async fn ready(State(parts): State<Arc<Dependencies>>) -> (StatusCode, String) {
    let (store, broker, artifacts) = tokio::join!(
        in_time(parts.store.check()),
        in_time(parts.broker.check()),
        in_time(parts.artifacts.check())
    );
    let faults: Vec<String> = [store, broker, artifacts]
        .into_iter()
        .filter_map(|part| part.err().map(|e| e.to_string()))
        .collect();
    match faults.is_empty() {
        true => (StatusCode::OK, "ready".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, faults.join("\n")),
    }
}

/// A part that does not answer in time counts as away: a probe must be quick.
async fn in_time(check: impl Future<Output = PortResult<()>>) -> PortResult<()> {
    let silent =
        |_| Err(PortError::unavailable("a part", format!("no answer within {READY_WITHIN:?}")));
    tokio::time::timeout(READY_WITHIN, check).await.unwrap_or_else(silent)
}

/// The same report as the API's: the contents and hit rates of this worker's caches.
async fn caches(State(parts): State<Arc<Dependencies>>) -> Json<CacheReport> {
    Json(CacheReport::of(&parts.cache, parts.disk.as_deref()).await)
}

async fn metrics(State(parts): State<Arc<Dependencies>>) -> Result<String, StatusCode> {
    TextEncoder::new()
        .encode_to_string(&parts.registry.gather())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
