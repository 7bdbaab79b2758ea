//! The OpenAPI description, generated from the handlers; `tests/openapi.json` is its snapshot.

use std::sync::Arc;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{OpenApi, openapi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    admin, artifacts, batches, compositions, controls, dead, demand, health, jobs,
    problem::ProblemDocument, schedules, schemas, state::Api, tasks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spool",
        description = "Render and generation jobs for products that make video. Post a job or a \
            batch, get an id at once, follow it until it has settled.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "A client's requests for work, one in each call."),
        (name = "batches", description = "Many jobs in one call, settled item by item."),
        (name = "schedules", description = "Jobs that recur."),
        (name = "compositions", description = "A check or a still of a composition before it is \
            rendered."),
        (name = "tasks", description = "The plan of a job: what workers run."),
        (name = "artifacts", description = "The files that tasks make, by the hash of their \
            content."),
        (name = "dead work", description = "Tasks that failed for good, and their retry."),
        (name = "operation", description = "Health, metrics, demand, limits, pauses, workers, \
            caches."),
    ),
    components(schemas(ProblemDocument))
)]
struct Description;

/// Every described route with its handler. Artifacts are apart: media is not compressed again, and
/// a range of it never.
pub struct DescribedRoutes {
    /// Routes whose answers are compressed.
    pub documents: OpenApiRouter<Arc<Api>>,
    /// Routes whose answers are files.
    pub files: OpenApiRouter<Arc<Api>>,
}

/// Lists the described routes.
pub fn routes() -> DescribedRoutes {
    let documents = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(jobs::post, jobs::list))
        .routes(routes!(jobs::get))
        .routes(routes!(jobs::waiting))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(schemas::get))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::get))
        .routes(routes!(batches::post, batches::list))
        .routes(routes!(batches::get))
        .routes(routes!(batches::results))
        .routes(routes!(batches::cancel))
        .routes(routes!(batches::retry))
        .routes(routes!(schedules::post, schedules::list))
        .routes(routes!(schedules::get, schedules::patch, schedules::delete))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(dead::list))
        .routes(routes!(dead::get))
        .routes(routes!(dead::replay))
        .routes(routes!(dead::replay_all))
        .routes(routes!(compositions::check))
        .routes(routes!(demand::get))
        .routes(routes!(controls::limits))
        .routes(routes!(controls::set_limit, controls::unset_limit))
        .routes(routes!(controls::queues))
        .routes(routes!(controls::pause_queue))
        .routes(routes!(controls::resume_queue))
        .routes(routes!(controls::pause_tenant))
        .routes(routes!(controls::resume_tenant))
        .routes(routes!(controls::workers))
        .routes(routes!(admin::get, admin::clear))
        .routes(routes!(admin::warm))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics));
    DescribedRoutes {
        documents,
        files: OpenApiRouter::new()
            .routes(routes!(artifacts::get))
            .routes(routes!(compositions::still)),
    }
}

/// The whole description, as indented JSON.
pub fn document() -> String {
    let DescribedRoutes { documents, files } = routes();
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
