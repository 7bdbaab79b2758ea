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

/// Shorter answers, in bytes, cost more to compress than to send.
const COMPRESSED_FROM: u64 = 1024;

/// State of the handlers.
pub struct Api {
    pub store: Arc<dyn Store>,
    /// Checked for readiness.
    pub broker: Arc<dyn Broker>,
    /// Checked for readiness.
    pub view_cache: Arc<dyn ViewCache>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    pub clock: Arc<dyn Clock>,
    /// The kinds that clients may ask for.
    pub catalog: Arc<Catalog>,
    pub submitter: Submitter,
    pub reader: Reader,
    pub changer: Changer,
    pub backlog: Arc<Backlog>,
    pub metrics: Metrics,
    pub registry: Registry,
    pub settings: Settings,
}

impl Api {
    /// Refuses more work while too much waits.
    fn admit_work(&self) -> Result<(), Problem> {
        let bound = self.settings.max_backlog;
        self.backlog.over(bound).map_or(Ok(()), |(queue, waiting)| {
            let detail = format!(
                "{waiting} tasks of queue {queue} wait, and this server takes on work up to {bound}"
            );
            Err(Problem::overloaded(detail))
        })
    }

    /// The time of a call, in whole milliseconds as the stores keep it.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn links<'a>(&'a self, caller: &'a Caller) -> Links<'a> {
        Links { base: &caller.base, artifacts: self.artifacts.as_ref() }
    }
}

/// Builds the whole surface.
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
        // `body` bounds bodies as it reads them, with a problem of its own.
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
