//! Commands of one request each: submit, batch, status, cancel, retry.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{summary::show, watch};
use crate::{
    client::{Client, JobOrBatch},
    exit::CommandResult,
    input,
    options::{IdArg, ServerArg},
};

/// Options of `submit` and `batch`.
#[derive(Debug, Args)]
pub struct Submit {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Follows the job or batch to its end.
    #[arg(long)]
    pub watch: bool,
    /// Sent as `Idempotency-Key`: the same key posts once.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Posts a job.
pub async fn submit(options: Submit, json: bool) -> CommandResult {
    let job = input::as_job(input::read_json(&options.file)?)?;
    post(options, JobOrBatch::Job, "/v1/jobs", job, json).await
}

/// Posts a batch.
pub async fn batch(options: Submit, json: bool) -> CommandResult {
    let batch = input::as_batch(input::read_json(&options.file)?)?;
    post(options, JobOrBatch::Batch, "/v1/batches", batch, json).await
}

async fn post(
    options: Submit,
    resource: JobOrBatch,
    path: &str,
    body: Value,
    json: bool,
) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let posted = client.post(path, &body, options.idempotency_key.as_deref()).await?;
    if options.watch {
        let id = posted["id"].as_str().unwrap_or_default();
        return watch::follow(&client, resource, id, json).await;
    }
    show(&posted, json)
}

/// Shows a job or a batch.
pub async fn status(options: IdArg, json: bool) -> CommandResult {
    let (_, value) = Client::new(&options.server.server)?.find(options.id).await?;
    show(&value, json)
}

/// Cancels a job or a batch.
pub async fn cancel(options: IdArg, json: bool) -> CommandResult {
    act(options, "cancel", json).await
}

/// Retries a job or a batch.
pub async fn retry(options: IdArg, json: bool) -> CommandResult {
    act(options, "retry", json).await
}

async fn act(options: IdArg, action: &str, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let (resource, _) = client.find(options.id).await?;
    let answer =
        client.post(&format!("{}/{action}", resource.path(options.id)), &json!({}), None).await?;
    show(&answer, json)
}
