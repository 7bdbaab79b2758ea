//! The description of the surface, made from the handlers themselves; `tests/openapi.json` is its snapshot.

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Api, admin, artifacts, batches, demand, health, jobs, tasks};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spool",
        description = "Render and generation jobs for products that make video. Post a job or a batch, get an id at once, follow it until it has settled.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "What a client asks for in one call."),
        (name = "batches", description = "Many jobs in one call, settled item by item."),
        (name = "tasks", description = "The plan of a job: what workers run."),
        (name = "artifacts", description = "The files that tasks make, by the hash of their content."),
        (name = "operation", description = "Health, metrics, demand, caches."),
    )
)]
struct Surface;

/// Every described call with its handler. Artifacts come apart: media is not compressed again, and a range of it never.
pub struct Routes {
    /// Calls whose answers are compressed.
    pub documents: OpenApiRouter<Arc<Api>>,
    /// Calls whose answers are files.
    pub files: OpenApiRouter<Arc<Api>>,
}

/// The described calls.
pub fn routes() -> Routes {
    let documents = OpenApiRouter::with_openapi(Surface::openapi())
        .routes(routes!(jobs::post, jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::get))
        .routes(routes!(batches::post))
        .routes(routes!(batches::get))
        .routes(routes!(batches::results))
        .routes(routes!(batches::cancel))
        .routes(routes!(batches::retry))
        .routes(routes!(demand::get))
        .routes(routes!(admin::get, admin::clear))
        .routes(routes!(admin::warm))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics));
    Routes { documents, files: OpenApiRouter::new().routes(routes!(artifacts::get)) }
}

/// The whole description, as JSON that a person can read.
pub fn document() -> String {
    let Routes { documents, files } = routes();
    let mut described = documents.into_openapi();
    described.merge(files.into_openapi());
    write(&described)
}

fn write(described: &openapi::OpenApi) -> String {
    described.to_pretty_json().unwrap_or_default()
}

/// Serves the description.
pub async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}
