//! Commands of one request each: submit, batch, status, cancel, retry.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{summary::show, watch};
use crate::{
    client::{Client, JobOrBatch},
    exit::{CommandResult, Failure},
    input,
    options::{IdArg, ServerArg},
    output,
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

/// Posts a batch, or shows the one with an id.
pub async fn batch(options: Submit, json: bool) -> CommandResult {
    if let Some(id) = options.file.to_str().and_then(|text| text.parse().ok()) {
        return show_items(id, &options.server, json).await;
    }
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
        // First of all, so that an interrupted watch can be taken up again.
        match json {
            true => output::note(json!({ "id": id })),
            false => output::note(id),
        }
        return watch::follow(&client, resource, id, json).await;
    }
    show(&posted, json)?;
    let (total, rejected) = (&posted["counts"]["total"], &posted["counts"]["rejected"]);
    if total.is_u64() && total == rejected {
        return Err(Failure::Refused(format!(
            "all {total} items were refused: `spool batch {}` shows the reasons",
            posted["id"].as_str().unwrap_or_default()
        )));
    }
    Ok(())
}

/// Shows a batch with the reason of each rejected item.
async fn show_items(id: uuid::Uuid, server: &ServerArg, json: bool) -> CommandResult {
    let client = Client::new(&server.server)?;
    let path = JobOrBatch::Batch.path(id);
    show(&client.get(&path).await?, json)?;
    let mut page = format!("{path}/results?limit=100");
    loop {
        let items = client.get(&page).await?;
        for item in items["results"].as_array().into_iter().flatten() {
            match json {
                true => output::line(item)?,
                false => output::lines(rejection(item))?,
            }
        }
        let Some(cursor) = items["nextCursor"].as_str() else { return Ok(()) };
        page = format!("{path}/results?limit=100&cursor={cursor}");
    }
}

/// Describes an item that was rejected.
fn rejection(item: &Value) -> Option<String> {
    let reason = item.get("reason")?;
    let text = |name: &str| reason[name].as_str().unwrap_or_default();
    let job = item["jobId"].as_str().map_or_else(String::new, |job| format!(" {job}"));
    Some(format!("  item {}{job} {}: {}", item["index"], text("code"), text("detail")))
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
