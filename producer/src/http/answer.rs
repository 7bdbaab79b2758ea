//! JSON answers: whole, filtered by field, and conditional.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::id::Digest;
use serde::Serialize;

use super::{
    fields::FieldSelection,
    problem::{Problem, ProblemKind},
};

/// A JSON body with its entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    body: Bytes,
}

impl Document {
    /// All of `value`.
    pub fn of(value: &impl Serialize) -> Result<Self, Problem> {
        Ok(Self { body: serde_json::to_vec(value).map_err(unwritable)?.into() })
    }

    /// The selected fields of `value`.
    pub fn cut(value: &impl Serialize, selection: &FieldSelection) -> Result<Self, Problem> {
        if selection.is_all() {
            return Self::of(value);
        }
        Self::of(&selection.of(serde_json::to_value(value).map_err(unwritable)?))
    }

    /// A body that was serialised before.
    pub fn written(body: String) -> Self {
        Self { body: body.into() }
    }

    /// The bytes of the body.
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// A weak tag: bodies that are equal before compression have equal tags.
    fn tag(&self) -> String {
        format!("W/\"{}\"", &Digest::of(&self.body).to_string()[..32])
    }

    /// Returns whether the caller has this body already.
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        names_tag(headers, &self.tag())
    }

    /// Answers a read: 304 if the caller has the body already.
    pub fn conditional(self, headers: &HeaderMap) -> Response {
        let tag = self.tag();
        let mut response = if names_tag(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            self.with_status(StatusCode::OK)
        };
        let sent = response.headers_mut();
        // Clients may keep it, and must revalidate it each time.
        sent.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            sent.insert(header::ETAG, tag);
        }
        response
    }

    /// Answers any other request.
    pub fn with_status(self, status: StatusCode) -> Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (status, json, self.body).into_response()
    }
}

/// Returns whether `If-None-Match` names this tag, by weak comparison (RFC 9110, 13.1.2).
pub fn names_tag(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = opaque(tag);
    let values =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || opaque(known) == tag)
}

fn unwritable(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "an answer could not be written as JSON");
    Problem::new(ProblemKind::Internal, "the server could not write its answer; its log says why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_weak_or_strong_alone_or_in_a_list() {
        let known = |named: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, named.parse().expect("a header"));
            names_tag(&headers, "W/\"abc\"")
        };
        for good in ["W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(known(good), "{good}");
        }
        for bad in ["\"abcd\"", "abc", ""] {
            assert!(!known(bad), "{bad}");
        }
    }
}
