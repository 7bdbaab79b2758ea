//! `spool dev` with the providers of a test.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    client::ApiClient,
    process::{Process, spool},
    server::{KEY, ProviderServer},
};

/// The server as the service `openai`, with prices of a thousand for a million tokens, and `more`
/// settings.
pub fn guarded(server: &ProviderServer, more: &str) -> String {
    let timeout = if more.contains("timeout_seconds") { "" } else { "timeout_seconds = 20\n" };
    format!(
        "[providers.services.openai]\nbase_url = \"{}\"\n{timeout}{more}\n\
         [providers.services.openai.prices]\ninput_tokens = 1000.0\noutput_tokens = 1000.0\n",
        server.base()
    )
}

/// The server as the provider of every role.
pub fn provided(server: &ProviderServer) -> String {
    guarded(server, "breaker_failures = 1000")
}

/// A running `spool dev`.
pub struct DevServer {
    pub process: Process,
    pub api: ApiClient,
}

impl DevServer {
    /// Starts one with its data in `data`, whose files may be sources, and this configuration.
    pub fn start(data: &Path, config: &str, variables: &[(&str, &str)]) -> Self {
        let file = data.join("spool.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = spool();
        command
            .arg("--config")
            .arg(file)
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.join("data"));
        command
            .env("SPOOL_GRACE_SECONDS", "2")
            .env("NO_PROXY", "127.0.0.1")
            .env("SPOOL_ALLOW", data)
            .envs(variables.iter().copied());
        if config.contains("services.openai") {
            command.env("SPOOL_OPENAI_API_KEY", KEY);
        }
        let (mut process, address) = Process::serving(command);
        process.logged("working");
        Self { api: ApiClient::at(&address), process }
    }

    /// Posts a job with one attempt, and returns its id.
    pub fn submit_once(&self, kind: &str, input: Value) -> String {
        let answer =
            self.api.post("/v1/jobs", &json!({"kind": kind, "input": input, "maxAttempts": 1}));
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Runs one attempt of a job to its end.
    pub fn once(&self, kind: &str, input: Value) -> Value {
        self.api.settled(&self.submit_once(kind, input))
    }

    /// The tasks of a job.
    pub fn tasks(&self, id: &str) -> Vec<Value> {
        let body = self.api.get(&format!("/v1/jobs/{id}/tasks")).body;
        body.get("tasks").unwrap_or(&body).as_array().unwrap().clone()
    }

    /// The names of a job's tasks that ran and were no memo hits, without those that grow, which
    /// run each time.
    pub fn ran(&self, id: &str) -> Vec<String> {
        let ran = |task: &&Value| {
            let kind = task["kind"].as_str().unwrap();
            task["cached"] == false && !kind.starts_with("video") && task["state"] == "succeeded"
        };
        let mut names: Vec<String> = self
            .tasks(id)
            .iter()
            .filter(ran)
            .map(|task| task["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// The body of a response, as text.
    pub fn text(&self, path: &str) -> String {
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        http.get(format!("{}{path}", self.api.base())).send().unwrap().text().unwrap()
    }

    /// The value of one series in `/metrics`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        self.text("/metrics")
            .lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}
