//! A panic in a handler fails its own request only.

use std::any::Any;

use axum::response::{IntoResponse, Response};

use crate::http::problem::{Problem, What};

/// Answers in place of a handler that panicked.
pub fn answer(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said.unwrap_or("of no text"), "a request panicked");
    Problem::new(What::Internal, "the server could not do this; its log says why").into_response()
}
