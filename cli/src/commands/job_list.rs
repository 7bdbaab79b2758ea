//! `jobs`: lists jobs.

use clap::Args;
use serde_json::Value;

use super::summary;
use crate::{
    client::{Client, given_pairs},
    exit::CommandResult,
    options::ServerArg,
    output,
};

/// Options of `jobs`.
#[derive(Debug, Args)]
pub struct Jobs {
    /// Only jobs with this status: queued, running, succeeded, failed or cancelled.
    #[arg(long)]
    pub status: Option<String>,
    /// Only jobs of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only jobs with this tag.
    #[arg(long)]
    pub tag: Option<String>,
    /// The most jobs.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Runs the command.
pub async fn run(options: Jobs, json: bool) -> CommandResult {
    let filter = given_pairs(&[
        ("status", options.status.as_deref()),
        ("kind", options.kind.as_deref()),
        ("tag", options.tag.as_deref()),
    ]);
    let each = async |job: &Value| match json {
        true => output::line(job),
        false => {
            let text = |name: &str| job[name].as_str().unwrap_or_default();
            let line = summary::line(job);
            output::line(format_args!("{} {:<9} {line}", text("createdAt"), text("kind")))
        }
    };
    let client = Client::new(&options.server.server)?;
    client.list("/v1/jobs", &filter, "jobs", options.limit, each).await
}
