//! Which trace a call belongs to: its `traceparent` header. One that is not sane is as good as none, as W3C Trace Context has it.

use axum::http::HeaderMap;
use common::trace::TraceParent;

/// The trace of a call.
pub fn of(headers: &HeaderMap) -> Option<TraceParent> {
    // Two of them are no answer to the question which.
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(one), None) => one.to_str().ok().and_then(TraceParent::read),
        _ => None,
    }
}
