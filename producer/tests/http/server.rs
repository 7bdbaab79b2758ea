//! A producer on the embedded adapters, called in process, with as much of a worker as tests need.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use backing::{
    artifacts::folder::FolderArtifacts,
    broker::{
        faulty::{FaultRates, FaultyBroker},
        local::LocalBroker,
    },
    cache::Cache,
    clock::SystemClock,
    store::sqlite::SqliteStore,
    view_cache::local::LocalViewCache,
};
use common::{
    error::JobError,
    id::{TaskId, WorkerId},
    key::output_hash,
    kind::Catalog,
    kinds,
    limits::LEASE,
    outcome::{Settlement, Verdict},
    port::{artifacts::Artifacts, view_cache::ViewCache},
    queue::Queue,
    store::{Dispatch, Leases, Settled, WorkerRegistration},
};
use producer::{Producer, ProducerDependencies, ProducerMetrics, ProducerSettings};
use prometheus::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::doubles::{SwitchedStore, SwitchedViewCache};

/// Longer than anything here takes.
pub const BOUND: Duration = Duration::from_secs(20);

/// One server with its ports.
pub struct TestServer {
    pub store: Arc<SwitchedStore>,
    pub view_cache: Arc<SwitchedViewCache>,
    pub broker: Arc<FaultyBroker>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    pub producer: Producer,
    pub stop: CancellationToken,
    pub folder: TempDir,
    worker: WorkerId,
}

impl TestServer {
    pub async fn new() -> Self {
        Self::with(ProducerSettings::default()).await
    }

    pub async fn with(settings: ProducerSettings) -> Self {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("spool.db")).await.expect("a store");
        let store = Arc::new(SwitchedStore::new(Arc::new(store)));
        let view_cache = Arc::new(SwitchedViewCache::new(Arc::new(LocalViewCache::new())));
        let broker =
            Arc::new(FaultyBroker::new(Arc::new(LocalBroker::new()), FaultRates::none(), 1));
        let artifacts: Arc<dyn Artifacts> =
            Arc::new(FolderArtifacts::open(&folder.path().join("artifacts")).expect("artifacts"));
        let cache = Cache::new(view_cache.clone(), Arc::new(SystemClock));
        let registry = Registry::new();
        let stop = CancellationToken::new();
        let parts = ProducerDependencies {
            store: store.clone(),
            broker: broker.clone(),
            view_cache: view_cache.clone(),
            artifacts: artifacts.clone(),
            cache: cache.clone(),
            clock: Arc::new(SystemClock),
            catalog: Arc::new(Catalog::new(&[kinds::ALL, &[kinds::echo::SPEC]])),
            registry: registry.clone(),
        };
        let metrics = ProducerMetrics::new(&registry).expect("metrics");
        let producer = Producer::new(parts, settings, metrics, stop.clone());
        Self {
            store,
            view_cache,
            broker,
            artifacts,
            cache,
            producer,
            stop,
            folder,
            worker: WorkerId::new(),
        }
    }

    pub fn router(&self) -> Router {
        self.producer.router()
    }

    /// Sends any request. `Host` is a loopback name unless the test sets another.
    pub async fn send(&self, request: Request<Body>) -> TestResponse {
        answer(self.router(), request).await
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> TestResponse {
        self.send(request(Method::GET, path, headers, Body::empty())).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> TestResponse {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> TestResponse {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send(request(Method::POST, path, &headers, Body::from(body.to_string()))).await
    }

    /// A post without a body.
    pub async fn act(&self, path: &str) -> TestResponse {
        self.send(request(Method::POST, path, &[], Body::empty())).await
    }

    /// Posts an echo job and returns its id.
    pub async fn echo(&self, value: Value) -> String {
        let answer =
            self.post("/v1/jobs", &json!({"kind": "echo", "input": {"value": value}})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.json());
        answer.id()
    }

    /// Registers a worker with this many slots for light work.
    pub async fn heartbeat(&self, slots: u32) {
        let registration = WorkerRegistration {
            worker: self.worker,
            name: "test".into(),
            slots: vec![(Queue::Light, slots)],
            draining: false,
            kinds: Vec::new(),
        };
        self.store.heartbeat(&registration, &[], LEASE).await.expect("a heartbeat");
    }

    /// Claims all ready light work as a worker would, and returns the tasks with their inputs and
    /// fences.
    pub async fn claim(&self) -> Vec<common::store::Claimed> {
        self.heartbeat(100).await;
        let dispatched = self.store.dispatch(Queue::Light, 0, 100).await.expect("dispatches");
        let mut tasks: Vec<TaskId> =
            dispatched.messages.iter().map(|message| message.task).collect();
        let overdue = self.store.overdue(Queue::Light, Duration::ZERO, 100).await.expect("overdue");
        tasks.extend(overdue.0.iter().map(|message| message.task));
        tasks.sort_unstable();
        tasks.dedup();
        let claimed = self.store.claim(self.worker, &tasks, LEASE).await.expect("claims");
        claimed.into_iter().flatten().collect()
    }

    /// Settles a claimed task, and updates the view cache as a worker would.
    pub async fn settle(&self, task: &common::store::Claimed, verdict: Verdict) {
        let settlement = Settlement { task: task.task, fence: task.fence, verdict };
        let (settled, changes) =
            self.store.settle(self.worker, vec![settlement]).await.expect("settles");
        assert_eq!(settled, [Settled::Counted]);
        // A view cache that is away is part of some tests.
        let _ = self.view_cache.put(&changes.views).await;
    }

    /// Runs all ready tasks: each echoes its value, or fails if its input says so.
    pub async fn work(&self) {
        for task in self.claim().await {
            let verdict = match task.input["fail"].as_str() {
                Some(detail) => Verdict::Failed(JobError::permanent("echo_failed", detail)),
                None => succeeded(task.input["value"].clone()),
            };
            self.settle(&task, verdict).await;
        }
    }
}

/// A verdict with this output.
pub fn succeeded(output: Value) -> Verdict {
    let hash = output_hash(&output);
    Verdict::Succeeded { output, hash, artifacts: Vec::new(), grown: Vec::new(), memo: true }
}

/// Any request to a loopback name.
pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if headers.iter().all(|(name, _)| *name != "host") {
        builder = builder.header("host", "localhost:8080");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).expect("a request")
}

/// A whole response.
#[derive(Debug)]
pub struct TestResponse {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Sends a request to a router.
pub async fn answer(router: Router, request: Request<Body>) -> TestResponse {
    let response = router.oneshot(request).await.expect("routers do not fail");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body").to_vec();
    TestResponse { status: parts.status, headers: parts.headers, body }
}

impl TestResponse {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a text"))
    }

    pub fn id(&self) -> String {
        self.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The word of a problem, after checking what all problems have in common.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], json!(self.status.as_u16()));
        assert_eq!(problem["requestId"], json!(self.header("x-request-id")));
        assert!(!self.header("x-request-id").is_empty());
        for member in ["title", "detail"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        assert!(problem["retryable"].is_boolean());
        problem["type"]
            .as_str()
            .and_then(|word| word.strip_prefix("/problems/"))
            .expect("a type")
            .to_owned()
    }

    /// The pointers of a problem's faults.
    pub fn pointers(&self) -> Vec<String> {
        let pointer = |fault: &Value| fault["pointer"].as_str().expect("a pointer").to_owned();
        self.json()["errors"]
            .as_array()
            .map(|faults| faults.iter().map(pointer).collect())
            .unwrap_or_default()
    }
}
