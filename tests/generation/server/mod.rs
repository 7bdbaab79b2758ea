//! A server that speaks the OpenAI protocol over real HTTP, and misbehaves as the received text
//! asks: `fault:NAME`.

mod endpoints;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::sync::watch;

pub use self::endpoints::wav;
use self::endpoints::{chat, image, models, picture, speech, transcription};

/// The key that it accepts.
pub const KEY: &str = "sk-test-4711-secret";

/// One received call.
#[derive(Debug, Clone)]
pub struct Call {
    pub path: String,
    pub peer: SocketAddr,
    pub idempotency: String,
    pub body: String,
}

#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    counts: BTreeMap<String, u32>,
}

struct Inner {
    seen: Mutex<Seen>,
    /// Opened for responses that wait for the test.
    gate: watch::Sender<bool>,
}

/// The running server, which ends with its runtime.
pub struct ProviderServer {
    address: SocketAddr,
    inner: Arc<Inner>,
    _runtime: tokio::runtime::Runtime,
}

impl ProviderServer {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let inner = Arc::new(Inner { seen: Mutex::default(), gate: watch::Sender::new(false) });
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(chat))
            .route("/v1/audio/speech", post(speech))
            .route("/v1/audio/transcriptions", post(transcription))
            .route("/v1/images/generations", post(image))
            .route("/pictures/pixel.png", get(picture))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(inner.clone())
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, inner, _runtime: runtime }
    }

    /// The URL before `/chat/completions`.
    pub fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The calls whose body contains `text`.
    pub fn calls(&self, text: &str) -> Vec<Call> {
        self.inner
            .seen
            .lock()
            .unwrap()
            .calls
            .iter()
            .filter(|call| call.body.contains(text))
            .cloned()
            .collect()
    }

    /// Number of calls of an endpoint.
    pub fn count(&self, path: &str) -> usize {
        self.inner.seen.lock().unwrap().calls.iter().filter(|call| call.path == path).count()
    }

    /// Completes responses that wait for it.
    pub fn open_gate(&self) {
        self.inner.gate.send_replace(true);
    }
}

/// A request's headers and body.
struct ProviderRequest {
    inner: Arc<Inner>,
    peer: SocketAddr,
    headers: HeaderMap,
    body: Bytes,
}

impl FromRequest<Arc<Inner>> for ProviderRequest {
    type Rejection = StatusCode;

    async fn from_request(request: Request, inner: &Arc<Inner>) -> Result<Self, StatusCode> {
        let headers = request.headers().clone();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().unwrap().0;
        let body =
            Bytes::from_request(request, inner).await.map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(Self { inner: inner.clone(), peer, headers, body })
    }
}

fn authorized(headers: &HeaderMap) -> bool {
    headers.get("authorization").and_then(|value| value.to_str().ok())
        == Some(&format!("Bearer {KEY}"))
}

/// Repeats the key that it refuses, as real services do.
fn refusal(headers: &HeaderMap) -> Response {
    let key =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    (
        StatusCode::UNAUTHORIZED,
        axum::Json(json!({"error": {"message": format!("wrong key: {key}")}})),
    )
        .into_response()
}

impl ProviderRequest {
    /// Records a call; returns its fault, and how often that fault was requested before. A
    /// recording carries no words, so its language names the fault.
    fn note(&self, path: &str) -> (String, u32) {
        let body = String::from_utf8_lossy(&self.body).into_owned();
        let asked = body.split_once("fault:").or_else(|| body.split_once("\r\n\r\nfault-"));
        let named = |text: &str| {
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>()
        };
        let fault = asked.map(|(_, rest)| named(rest)).unwrap_or_default();
        let mut seen = self.inner.seen.lock().unwrap();
        let count = seen.counts.entry(format!("{path} {fault}")).or_default();
        *count += 1;
        let count = *count;
        let idempotency = self
            .headers
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let idempotency = idempotency.to_owned();
        seen.calls.push(Call { path: path.to_owned(), peer: self.peer, idempotency, body });
        (fault, count)
    }

    /// The response to a wrong key, and to faults that any endpoint has.
    async fn refused(&self, fault: &str, count: u32) -> Option<Response> {
        if !authorized(&self.headers) {
            return Some(refusal(&self.headers));
        }
        let error = |message: &str| axum::Json(json!({"error": {"message": message}}));
        match fault {
            "slow" => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                None
            }
            "once-429" if count == 1 => Some(
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], error("slow down"))
                    .into_response(),
            ),
            "long-429" => Some(
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "600")], error("slow down"))
                    .into_response(),
            ),
            "quota" => {
                let body =
                    json!({"error": {"message": "no money left", "code": "insufficient_quota"}});
                Some((StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response())
            }
            "redirect" => Some(
                (StatusCode::TEMPORARY_REDIRECT, [("location", "/v1/elsewhere")]).into_response(),
            ),
            "once-500" if count == 1 => {
                Some((StatusCode::INTERNAL_SERVER_ERROR, error("oops")).into_response())
            }
            "always-500" => {
                Some((StatusCode::INTERNAL_SERVER_ERROR, error("oops")).into_response())
            }
            "key" => Some(refusal(&self.headers)),
            "bad-request" => {
                Some((StatusCode::BAD_REQUEST, error("no such \u{7}model")).into_response())
            }
            "html" => Some(([(CONTENT_TYPE, "text/html")], "<html>Sign in</html>").into_response()),
            _ => None,
        }
    }
}
