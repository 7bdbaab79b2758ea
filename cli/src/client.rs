//! A client of the API, of a server or of a producer in this process.

use std::{io::Write, path::Path, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use common::limits::MAX_PAGE;
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    exit::{CommandResult, Failure},
    output_file::{OutputFile, extension},
    printable::printable,
};

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
            // Of each read: a file may take longer as a whole.
            .read_timeout(Duration::from_secs(60))
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

    /// Calls `each` with the items of a list that match a filter, page by page, at most `most` of
    /// them.
    pub async fn list(
        &self,
        path: &str,
        filter: &[(&str, &str)],
        member: &str,
        most: usize,
        mut each: impl AsyncFnMut(&Value) -> CommandResult,
    ) -> CommandResult {
        let (mut cursor, mut missing) = (None::<String>, most);
        while missing > 0 {
            let limit = missing.min(MAX_PAGE).to_string();
            let paging = [("limit", Some(limit.as_str())), ("cursor", cursor.as_deref())];
            let query = [filter, &given_pairs(&paging)].concat();
            let page = self.get(&with_query(path, &query)).await?;
            let items = page[member].as_array().map(Vec::as_slice).unwrap_or_default();
            for item in items {
                each(item).await?;
            }
            missing = missing.saturating_sub(items.len());
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Begins to read a file of a server.
    pub async fn download(&self, path: &str) -> Result<Download, Failure> {
        let Transport::Server(http) = &self.transport else {
            return Err(Failure::Failed("files of this process are in its cache".into()));
        };
        let request = http.get(format!("{}{path}", self.base)).build();
        let request = request.map_err(|error| self.unreachable(&error))?;
        let response = http.execute(request).await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let text = response.bytes().await.map_err(|error| self.unreachable(&error))?;
            return Err(refusal(status, &serde_json::from_slice(&text).unwrap_or(Value::Null)));
        }
        Ok(Download { response, client: self.clone() })
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

/// A file of a server that is being read.
pub struct Download {
    response: reqwest::Response,
    client: Client,
}

impl Download {
    /// The extension that the server gives to the file.
    pub fn extension(&self) -> Option<String> {
        let disposition =
            self.response.headers().get(header::CONTENT_DISPOSITION)?.to_str().ok()?;
        let (_, name) = disposition.split_once("filename=\"")?;
        extension(Path::new(name.split('"').next()?))
    }

    /// Writes the file.
    pub async fn save(mut self, output: OutputFile) -> CommandResult {
        let mut file = output.create()?;
        while let Some(bytes) =
            self.response.chunk().await.map_err(|error| self.client.unreachable(&error))?
        {
            file.write_all(&bytes).map_err(|error| output.unwritable(&error))?;
        }
        output.finish()
    }
}

/// A path with a query.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The pairs that have a value.
pub fn given_pairs<'a>(pairs: &[(&'a str, Option<&'a str>)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect()
}

/// A text as a part of a URL, every byte escaped but the unreserved ones of RFC 3986.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_part_of_a_url_with_any_characters() {
        assert_eq!(encoded("a-b.c_d~1"), "a-b.c_d~1");
        assert_eq!(encoded("*"), "%2A");
        assert_eq!(encoded("a/b ü?"), "a%2Fb%20%C3%BC%3F");
        assert_eq!(with_query("/v1/jobs", &[]), "/v1/jobs");
        assert_eq!(
            with_query("/v1/jobs", &[("tag", "a&b"), ("limit", "1")]),
            "/v1/jobs?tag=a%26b&limit=1"
        );
    }
}
