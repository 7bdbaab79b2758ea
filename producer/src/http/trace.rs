//! The trace of a call: its `traceparent` header. A malformed one counts as absent, as W3C Trace
//! Context says.

use axum::http::HeaderMap;
use common::trace::TraceParent;

/// The trace of a call.
pub fn of(headers: &HeaderMap) -> Option<TraceParent> {
    // Two headers leave the trace undecided.
    let mut sent = headers.get_all("traceparent").iter();
    match (sent.next(), sent.next()) {
        (Some(one), None) => one.to_str().ok().and_then(TraceParent::read),
        _ => None,
    }
}
