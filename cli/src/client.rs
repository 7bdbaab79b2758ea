//! Speaks to a server's API on behalf of the commands.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::exit::Failure;

/// A server.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// The server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .map_err(|error| Failure::Failed(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), http })
    }

    /// Reads a resource.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Posts a document.
    pub async fn post(&self, path: &str, body: &Value, idempotency_key: Option<&str>) -> Result<Value, Failure> {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.send(request).await
    }

    /// Reads the path for a job's id, or that for a batch's, whichever the server knows; says which it was.
    pub async fn find(&self, id: uuid::Uuid) -> Result<(Thing, Value), Failure> {
        for thing in [Thing::Job, Thing::Batch] {
            match self.get(&thing.path(id)).await {
                Err(Failure::Refused(said)) if said.starts_with("404") => {}
                answer => return answer.map(|value| (thing, value)),
            }
        }
        Err(Failure::Refused(format!("404: {} knows no job and no batch {id}", self.base)))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() { Ok(value) } else { Err(refusal(status, &value)) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        let why = why.map_or_else(String::new, ToString::to_string);
        Failure::Unreachable(format!("{} can't be reached: {why}; start `spool dev`, or name the server with --server", self.base))
    }
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// One job.
    Job,
    /// Many.
    Batch,
}

impl Thing {
    /// Where it is read.
    pub fn path(self, id: impl std::fmt::Display) -> String {
        match self {
            Self::Job => format!("/v1/jobs/{id}"),
            Self::Batch => format!("/v1/batches/{id}"),
        }
    }
}

/// A problem document as one sentence, and a line for each fault.
fn refusal(status: StatusCode, problem: &Value) -> Failure {
    let text = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let said = text("detail").or_else(|| text("title")).or(status.canonical_reason()).unwrap_or("refused");
    let mut sentence = format!("{}: {said}", status.as_u16());
    for fault in problem["errors"].as_array().into_iter().flatten() {
        let part = |name: &str| fault[name].as_str().unwrap_or_default();
        sentence.push_str(&format!("\n  {}: {}", part("pointer"), part("detail")));
    }
    match status.as_u16() {
        503 | 502 | 504 => Failure::Unreachable(sentence),
        _ => Failure::Refused(sentence),
    }
}
