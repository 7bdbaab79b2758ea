//! A panic in a handler fails its own request only.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use crate::http::problem::{Problem, ProblemKind};

/// Answers in place of a handler that panicked.
pub fn answer(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("without a text"), "a request panicked");
    Problem::new(ProblemKind::Internal, "the server could not do this; its log says why")
        .into_response()
}
