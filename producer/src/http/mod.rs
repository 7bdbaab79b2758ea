//! The HTTP surface: routes, and the layers around every request. Status codes are chosen in this
//! module only.

mod admin;
mod answer;
mod artifacts;
mod batches;
mod body;
mod caller;
mod compositions;
pub mod connections;
mod controls;
mod dead;
mod demand;
mod docs;
mod fields;
mod health;
mod job_control;
mod jobs;
mod links;
pub mod listen;
mod lists;
mod middleware;
pub mod openapi;
mod parameters;
mod path;
mod problem;
mod query;
mod responses;
mod schedules;
mod schemas;
pub mod shape;
pub mod state;
mod submission;
mod tasks;
mod trace;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
};

use self::{
    middleware::{
        known_parameters::{self, KnownParameters},
        measure, origin_guard, panics, request_id,
    },
    openapi::DescribedRoutes,
    problem::{Problem, ProblemKind},
    state::Api,
};
use crate::settings::ProducerSettings;

/// Builds the whole surface.
pub fn router(api: Arc<Api>) -> Router {
    let DescribedRoutes { documents, files } = openapi::routes();
    let known = KnownParameters::default().add(documents.get_openapi()).add(files.get_openapi());
    let documents: Router<Arc<Api>> = documents.into();
    let files: Router<Arc<Api>> = files.into();
    documents
        .route("/openapi.json", get(openapi::serve))
        .route("/docs", get(docs::page))
        .route("/problems/{word}", get(docs::problem))
        .route_layer(compression(&api.settings))
        .merge(files)
        .route_layer(from_fn_with_state(Arc::new(known), known_parameters::layer))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        // `body` bounds bodies as it reads them, with a problem of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panics::answer))
        .layer(from_fn(origin_guard::layer))
        .route_layer(from_fn_with_state(Arc::clone(&api), measure::layer))
        .layer(from_fn(request_id::layer))
        .with_state(api)
}

/// Compresses answers with zstd or gzip. Brotli is not built in: at the fast levels its answers are
/// larger than gzip's.
fn compression(settings: &ProducerSettings) -> CompressionLayer<SizeAbove> {
    let layer = CompressionLayer::new();
    let layer = match settings.compression_level {
        0 => layer.no_gzip().no_zstd(),
        level => layer.quality(CompressionLevel::Precise(level.into())),
    };
    layer.compress_when(SizeAbove::new(settings.compression_bytes))
}

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("nothing is at `{}`; `/docs` lists all paths", uri.path());
    Problem::new(ProblemKind::NotFound, detail)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not know {method}", uri.path());
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}
