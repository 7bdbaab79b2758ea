//! Commands that ask a server one question: submit, batch, status, cancel, retry.

use serde_json::{Value, json};

use super::watch;
use crate::{
    args::{Id, Submit},
    client::{Client, JobOrBatch},
    exit::CommandResult,
    input,
};

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
    thing: JobOrBatch,
    path: &str,
    body: Value,
    json: bool,
) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let posted = client.post(path, &body, options.idempotency_key.as_deref()).await?;
    if options.watch {
        let id = posted["id"].as_str().unwrap_or_default();
        return watch::follow(&client, thing, id, json).await;
    }
    show(&posted, json);
    Ok(())
}

/// Shows a job or a batch.
pub async fn status(options: Id, json: bool) -> CommandResult {
    let (_, value) = Client::new(&options.server.server)?.find(options.id).await?;
    show(&value, json);
    Ok(())
}

/// Cancels a job or a batch.
pub async fn cancel(options: Id, json: bool) -> CommandResult {
    act(options, "cancel", json).await
}

/// Retries a job or a batch.
pub async fn retry(options: Id, json: bool) -> CommandResult {
    act(options, "retry", json).await
}

async fn act(options: Id, action: &str, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let (thing, _) = client.find(options.id).await?;
    let answer =
        client.post(&format!("{}/{action}", thing.path(options.id)), &json!({}), None).await?;
    show(&answer, json);
    Ok(())
}

/// Prints one line for people (id, status and result), or the whole document as JSON.
pub fn show(value: &Value, json: bool) {
    if json {
        println!("{value}");
        return;
    }
    let text = |pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut line = format!("{} {}", text("/id"), text("/status"));
    if let Some(counts) = value.get("counts") {
        line.push_str(&format!(
            "  {} of {} fulfilled, {} rejected, {} pending",
            counts["fulfilled"], counts["total"], counts["rejected"], counts["pending"]
        ));
    }
    if let Some(progress) = value.pointer("/progress/value").and_then(Value::as_f64) {
        line.push_str(&format!("  {:.0} % {}", progress * 100.0, text("/progress/stage")));
    }
    for said in ["/waitingFor", "/error/detail", "/result/path", "/result/url"]
        .map(text)
        .iter()
        .filter(|said| !said.is_empty())
    {
        line.push_str("  ");
        line.push_str(said);
    }
    println!("{line}");
}
