//! Liveness, readiness and metrics of this process.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use common::port::{PortError, PortResult};
use prometheus::{Encoder, TextEncoder};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::Document,
    problem::{Problem, ProblemKind},
    state::Api,
};

/// A part that takes longer counts as away: probes commonly give up after a second or two.
const WITHIN: Duration = Duration::from_secs(2);

/// Readiness of this process, part by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Set if every needed part answers.
    ready: bool,
    /// `store`, `broker`, `artifacts`; and `view_cache`, without which everything works, only
    /// slower.
    parts: BTreeMap<&'static str, PartReadiness>,
}

/// Readiness of one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartReadiness {
    /// Set if the part answers.
    ready: bool,
    /// Set if the process is not ready without it.
    needed: bool,
    /// The part's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Answers as long as this process lives.
#[utoipa::path(
    get, path = "/health/live", operation_id = "isLive", tag = "operation",
    responses((status = 200, description = "It lives."))
)]
pub async fn live() -> &'static str {
    "live\n"
}

/// Reports whether this process can do its work, and which part is away.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "isReady", tag = "operation",
    responses(
        (status = 200, body = Readiness, description = "Ready."),
        (status = 503, body = Readiness, description = "Not ready; `parts` says why."),
    )
)]
pub async fn ready(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let readiness = readiness(&api).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(Document::of(&readiness)?.with_status(status))
}

/// Reports this process's metrics, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", operation_id = "getMetrics", tag = "operation",
    responses((status = 200, content_type = "text/plain", body = String,
        description = "Prometheus' text format."))
)]
pub async fn metrics(State(api): State<Arc<Api>>) -> Result<Response, Problem> {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&api.registry.gather(), &mut text).map_err(|error| {
        tracing::error!(%error, "the metrics could not be written");
        Problem::new(ProblemKind::Internal, "the metrics could not be written; the log says why")
    })?;
    Ok(([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response())
}

async fn readiness(api: &Api) -> Readiness {
    let (store, broker, view_cache, artifacts) = tokio::join!(
        part(true, api.store.check()),
        part(true, api.broker.check()),
        part(false, api.view_cache.check()),
        part(true, api.artifacts.check()),
    );
    let parts = BTreeMap::from([
        ("store", store),
        ("broker", broker),
        ("view_cache", view_cache),
        ("artifacts", artifacts),
    ]);
    Readiness { ready: parts.values().all(|part| part.ready || !part.needed), parts }
}

async fn part(needed: bool, check: impl Future<Output = PortResult<()>>) -> PartReadiness {
    let silent = |_| Err(PortError::unavailable("it", format!("no answer within {WITHIN:?}")));
    let checked = tokio::time::timeout(WITHIN, check).await.unwrap_or_else(silent);
    PartReadiness {
        ready: checked.is_ok(),
        needed,
        detail: checked.err().map(|error| error.to_string()),
    }
}
