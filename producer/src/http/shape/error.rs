//! Why a job or a task failed, as a client sees it.

use common::error::{ErrorClass, JobError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::FaultDocument;

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Error)]
pub struct ErrorShape {
    /// A stable word for machines, such as `bad_source` or `timeout`.
    code: String,
    /// Responsible party: `caller`; `transient`, which may pass; `permanent`, which will not; or
    /// `bug`, an error of Spool.
    #[schema(schema_with = class_schema)]
    class: ErrorClass,
    /// A sentence: what failed, for which input, and what to do.
    detail: String,
    /// Set if posting the same job again may help.
    retryable: bool,
    /// Every fault of a refused input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultDocument>,
}

impl From<JobError> for ErrorShape {
    fn from(error: JobError) -> Self {
        Self {
            code: error.code,
            class: error.class,
            detail: error.detail,
            retryable: error.retryable,
            errors: error.errors.into_iter().map(FaultDocument::from).collect(),
        }
    }
}

fn class_schema() -> utoipa::openapi::Object {
    words(
        "The caller must act, it may pass by itself, it will not pass, or Spool has a bug.",
        ["caller", "transient", "permanent", "bug"],
    )
}

/// The schema of a text with a fixed set of words.
pub fn words<'a>(
    description: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .description(Some(description))
        .enum_values(Some(words.into_iter().map(str::to_owned).collect::<Vec<_>>()))
        .build()
}
