//! The HTTP surface: routes, and the layers around every request. Status codes are chosen in this
//! module only.

mod admin;
mod answer;
mod artifacts;
mod batches;
mod body;
mod caller;
mod compositions;
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
mod middleware;
pub mod openapi;
mod parameters;
mod path;
mod problem;
mod query;
mod responses;
mod schedules;
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

/// Shorter answers, in bytes, cost more to compress than to send.
const COMPRESSED_FROM: u64 = 1024;

/// Builds the whole surface.
pub fn router(api: Arc<Api>) -> Router {
    let DescribedRoutes { documents, files } = openapi::routes();
    // At this speed Brotli's answers are larger than gzip's.
    let compression = CompressionLayer::new()
        .no_br()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_FROM));
    let known = KnownParameters::default().add(documents.get_openapi()).add(files.get_openapi());
    let documents: Router<Arc<Api>> = documents.into();
    let files: Router<Arc<Api>> = files.into();
    documents
        .route("/openapi.json", get(openapi::serve))
        .route("/docs", get(docs::page))
        .route("/problems/{word}", get(docs::problem))
        .route_layer(compression)
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

async fn no_such_path(uri: Uri) -> Problem {
    let detail = format!("nothing is at `{}`; `/docs` lists all paths", uri.path());
    Problem::new(ProblemKind::NotFound, detail)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not know {method}", uri.path());
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}
