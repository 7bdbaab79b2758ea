//! Path parameters.

use axum::extract::{FromRequestParts, Path as Segments};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Problem, What};

/// Path parameters as axum's extractor reads them, with a problem as the answer where it can't.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let read = Segments::<T>::from_request_parts(parts, state).await;
        read.map(|Segments(places)| Self(places)).map_err(|_| {
            Problem::new(
                What::NotFound,
                format!("nothing is at `{path}`: what it escapes is not UTF-8"),
            )
        })
    }
}
