//! A blocking client of the API.

use serde_json::{Value, json};

use crate::process::wait_for;

/// The API of one server.
#[derive(Clone)]
pub struct ApiClient {
    base: String,
    http: reqwest::blocking::Client,
}

/// A response: status, headers, and the body as JSON (null if it is not JSON).
pub struct ApiResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl ApiResponse {
    /// The text of a header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl ApiClient {
    pub fn at(base: &str) -> Self {
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        Self { base: base.to_owned(), http }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str) -> ApiResponse {
        self.get_with(path, &[])
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
        let request = self.http.get(format!("{}{path}", self.base));
        read(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    pub fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.post_with(path, body, &[])
    }

    pub fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> ApiResponse {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        read(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    /// Posts a job, which must be accepted, and returns its id.
    pub fn submit(&self, kind: &str, input: Value) -> String {
        let answer = self.post("/v1/jobs", &json!({"kind": kind, "input": input}));
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a job is final.
    pub fn settled(&self, id: &str) -> Value {
        let last = || self.get(&format!("/v1/jobs/{id}?wait=5")).body;
        let ended = |job: &Value| {
            matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled"))
        };
        wait_for(|| Some(last()).filter(ended))
            .unwrap_or_else(|| panic!("{id} did not settle: {}", last()))
    }

    /// Waits until a job has this status.
    pub fn becomes(&self, id: &str, status: &str) -> Value {
        let last = || self.get(&format!("/v1/jobs/{id}")).body;
        wait_for(|| Some(last()).filter(|job| job["status"] == status))
            .unwrap_or_else(|| panic!("never {status}: {}", last()))
    }

    /// Runs a job to its end.
    pub fn run(&self, kind: &str, input: Value) -> Value {
        self.settled(&self.submit(kind, input))
    }

    /// Waits until a batch has settled, and returns its counts.
    pub fn batch_settled(&self, id: &str) -> Value {
        let last = || self.get(&format!("/v1/batches/{id}")).body;
        let settled = wait_for(|| Some(last()).filter(|batch| batch["status"] == "settled"));
        settled.unwrap_or_else(|| panic!("{id} did not settle: {}", last()))["counts"].clone()
    }

    /// Reads all items of a batch, page by page.
    pub fn batch_results(&self, id: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/v1/batches/{id}/results?limit=100{cursor}")).body;
            items.extend(page["results"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

fn read(request: reqwest::blocking::RequestBuilder) -> ApiResponse {
    let response = request.send().expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().expect("a body");
    ApiResponse { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
}
