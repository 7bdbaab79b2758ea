//! `spool dev` with the providers of a test.

use std::path::Path;

use serde_json::Value;

use crate::{
    client::Api,
    process::{Process, spool},
};

/// A running `spool dev`.
pub struct Stand {
    pub process: Process,
    pub api: Api,
}

impl Stand {
    /// Starts one with its data in `data` and this configuration.
    pub fn start(data: &Path, config: &str, variables: &[(&str, &str)]) -> Self {
        let file = data.join("spool.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = spool();
        command.arg("--config").arg(file).args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.join("data"));
        command.env("SPOOL_GRACE_SECONDS", "2").env("NO_PROXY", "127.0.0.1").envs(variables.iter().copied());
        let mut process = Process::start(command);
        let line = process.logged("listening on");
        let address = line.split("listening on ").nth(1).unwrap().split([',', '"']).next().unwrap().to_owned();
        process.logged("working");
        Self { api: Api::at(&address), process }
    }

    /// The tasks of a job.
    pub fn tasks(&self, id: &str) -> Vec<Value> {
        let body = self.api.get(&format!("/v1/jobs/{id}/tasks")).body;
        body.get("tasks").unwrap_or(&body).as_array().unwrap().clone()
    }

    /// What a job ran and did not find, by name: all but the tasks that grow, which run each time.
    pub fn ran(&self, id: &str) -> Vec<String> {
        let ran = |task: &&Value| {
            let kind = task["kind"].as_str().unwrap();
            task["cached"] == false && !kind.starts_with("video") && task["state"] == "succeeded"
        };
        let mut names: Vec<String> =
            self.tasks(id).iter().filter(ran).map(|task| task["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// What `/metrics` shows of one series.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        let text = http.get(format!("{}/metrics", self.api.base())).send().unwrap().text().unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}
