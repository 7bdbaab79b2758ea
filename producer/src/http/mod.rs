//! The HTTP surface: routes to handlers, and what every request passes on its way. Status codes stand here and nowhere else.

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
mod idempotency;
mod jobs;
mod links;
pub mod listen;
mod middleware;
pub mod openapi;
mod path;
mod problem;
mod query;
mod refusals;
mod schedules;
pub mod shape;
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
use backing::cache::Cache;
use common::{
    kind::Catalog,
    port::{artifacts::Artifacts, broker::Broker, clock::Clock, view_cache::ViewCache},
    store::Store,
};
use jiff::Timestamp;
use prometheus::Registry;
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
};

use self::{
    caller::Caller,
    links::Links,
    middleware::{door, measure, panics, request_id},
    openapi::Routes,
    problem::{Problem, What},
};
use crate::{
    backlog::Backlog, change::Changer, metrics::Metrics, producer::Settings, read::Reader,
    submit::Submitter,
};

/// Answers shorter than this cost more to compress than to send, in bytes.
const COMPRESSED_FROM: u64 = 1024;

/// What handlers stand on.
pub struct Api {
    /// The truth, for what the reader does not cover.
    pub store: Arc<dyn Store>,
    /// For readiness.
    pub broker: Arc<dyn Broker>,
    /// For readiness.
    pub view_cache: Arc<dyn ViewCache>,
    /// Files.
    pub artifacts: Arc<dyn Artifacts>,
    /// What is read again and could be computed again.
    pub cache: Cache,
    /// The time of a call.
    pub clock: Arc<dyn Clock>,
    /// The kinds that may be asked for.
    pub catalog: Arc<Catalog>,
    /// Stores submissions.
    pub submitter: Submitter,
    /// Reads jobs.
    pub reader: Reader,
    /// Cancels and retries.
    pub changer: Changer,
    /// What waits.
    pub backlog: Arc<Backlog>,
    /// Counts.
    pub metrics: Metrics,
    /// All that this process counts.
    pub registry: Registry,
    /// Bounds and names.
    pub settings: Settings,
}

impl Api {
    /// Whether more work is taken on.
    fn admit_work(&self) -> Result<(), Problem> {
        let bound = self.settings.max_backlog;
        self.backlog.over(bound).map_or(Ok(()), |(queue, waiting)| {
            let detail = format!(
                "{waiting} tasks of queue {queue} wait, and this server takes on work up to {bound}"
            );
            Err(Problem::overloaded(detail))
        })
    }

    /// The time of a call, to the millisecond as stores keep it.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn links<'a>(&'a self, caller: &'a Caller) -> Links<'a> {
        Links { base: &caller.base, artifacts: self.artifacts.as_ref() }
    }
}

/// The whole surface.
pub fn router(api: Arc<Api>) -> Router {
    let Routes { documents, files } = openapi::routes();
    let compression = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_FROM));
    let documents: Router<Arc<Api>> = documents.into();
    let files: Router<Arc<Api>> = files.into();
    documents
        .route("/openapi.json", get(openapi::serve))
        .route("/docs", get(docs::page))
        .route("/problems/{word}", get(docs::problem))
        .route_layer(compression)
        .merge(files)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        // Bodies are bounded where they are read (`body`), with a problem of their own.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panics::answer))
        .layer(from_fn(door::layer))
        .route_layer(from_fn_with_state(Arc::clone(&api), measure::layer))
        .layer(from_fn(request_id::layer))
        .with_state(api)
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(What::NotFound, format!("nothing is at `{}`; `/docs` lists what is", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(What::MethodNotAllowed, format!("`{}` does not know {method}", uri.path()))
}
