//! Counts requests by route and reports their duration in `Server-Timing`.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::http::state::Api;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Measures one request. Unknown paths share one label, so that labels stay bounded.
pub async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method(&request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status();
    api.metrics.requests.with_label_values(&[method, route, status.as_str()]).inc();
    tracing::debug!(status = status.as_u16(), route, "answered");
    let timing = format!("total;dur={:.3}", begun.elapsed().as_secs_f64() * 1000.0);
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    response
}

/// Unknown methods share one label.
fn method(request: &Request) -> &'static str {
    match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        _ => "other",
    }
}
