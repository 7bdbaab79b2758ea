//! A client of the API, of a server or of a producer in this process.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use serde_json::Value;
use tower::ServiceExt;

use crate::{exit::Failure, printable::printable};

/// A client of one server, or of the producer in this process.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    transport: Transport,
    /// The tag of jobs that are posted.
    tag: Option<String>,
}

#[derive(Debug, Clone)]
enum Transport {
    Server(reqwest::Client),
    InProcess(Router),
}

/// Most bytes of a response in this process, far above any real one.
const MAX_RESPONSE: usize = 1 << 30;

impl Client {
    /// Creates a client of the server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .map_err(|error| Failure::Failed(format!("no HTTP client can be made: {error}")))?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            transport: Transport::Server(http),
            tag: None,
        })
    }

    /// Creates a client of a router in this process. It tags the jobs of [`Client::post_job`].
    pub fn in_process(router: Router, tag: String) -> Self {
        Self {
            base: "http://localhost".to_owned(),
            transport: Transport::InProcess(router),
            tag: Some(tag),
        }
    }

    /// Posts a job with this client's tag.
    pub async fn post_job(&self, job: &Value) -> Result<Value, Failure> {
        let mut job = job.clone();
        if let Some(tag) = &self.tag {
            job["tags"] = Value::from(vec![tag.as_str()]);
        }
        self.post("/v1/jobs", &job, None).await
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None, None).await
    }

    /// Posts a document.
    pub async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Value, Failure> {
        self.send(Method::POST, path, Some(body), idempotency_key).await
    }

    /// Puts a document.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::PUT, path, Some(body), None).await
    }

    /// Deletes a resource.
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::DELETE, path, None, None).await
    }

    /// Reads the job or the batch with this id, and returns which of them it is.
    pub async fn find(&self, id: uuid::Uuid) -> Result<(JobOrBatch, Value), Failure> {
        for resource in [JobOrBatch::Job, JobOrBatch::Batch] {
            match self.get(&resource.path(id)).await {
                Err(Failure::Refused(sentence)) if sentence.starts_with("404") => {}
                answer => return answer.map(|value| (resource, value)),
            }
        }
        Err(Failure::Refused(format!("404: {} knows no job and no batch {id}", self.base)))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::HOST, "localhost");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = request.body(bytes).map_err(|error| {
            Failure::Failed(format!("`{}` is not a server's address: {error}", self.base))
        })?;
        let (status, text) = match &self.transport {
            Transport::Server(http) => self.call_server(http, request).await?,
            Transport::InProcess(router) => call_router(router.clone(), request).await?,
        };
        let value = serde_json::from_slice(&text).unwrap_or(Value::Null);
        if status.is_success() { Ok(value) } else { Err(refusal(status, &value)) }
    }

    async fn call_server(
        &self,
        http: &reqwest::Client,
        mut request: Request<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        // The client sets the header from the address.
        request.headers_mut().remove(header::HOST);
        let request = request.try_into().map_err(|error| self.unreachable(&error))?;
        let response = http.execute(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        Ok((status, text.to_vec()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why =
            std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
                .last();
        let why = why.map_or_else(String::new, ToString::to_string);
        Failure::Unreachable(format!(
            "{} can't be reached: {why}; start `spool dev`, or name the server with --server",
            self.base
        ))
    }
}

async fn call_router(
    router: Router,
    request: Request<Vec<u8>>,
) -> Result<(StatusCode, Vec<u8>), Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::Failed(format!("the producer sent no response: {error}"))
    };
    let response = router.oneshot(request.map(Body::from)).await.map_err(|never| broken(&never))?;
    let status = response.status();
    let body =
        to_bytes(response.into_body(), MAX_RESPONSE).await.map_err(|error| broken(&error))?;
    Ok((status, body.to_vec()))
}

/// The resource that an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOrBatch {
    Job,
    Batch,
}

impl JobOrBatch {
    /// Returns the path of the resource.
    pub fn path(self, id: impl std::fmt::Display) -> String {
        match self {
            Self::Job => format!("/v1/jobs/{id}"),
            Self::Batch => format!("/v1/batches/{id}"),
        }
    }
}

/// Converts a problem document to a failure: one sentence, and a line for each fault.
fn refusal(status: StatusCode, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let detail =
        text("detail").or_else(|| text("title")).or(status.canonical_reason()).unwrap_or("refused");
    let mut sentence = format!("{}: {}", status.as_u16(), printable(detail));
    let faults = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    // A single fault is the detail itself.
    for fault in faults.iter().filter(|_| faults.len() > 1) {
        let part = |name: &str| printable(fault[name].as_str().unwrap_or_default());
        sentence.push_str(&format!("\n  {}: {}", part("pointer"), part("detail")));
    }
    match status.as_u16() {
        502..=504 => Failure::Unreachable(sentence),
        _ => Failure::Refused(sentence),
    }
}
