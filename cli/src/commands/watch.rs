//! Follows a job or a batch to its end, with a bar that fills.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::summary::show;
use crate::{
    client::{Client, JobOrBatch},
    exit::{CommandResult, Failure},
    options::IdArg,
    printable::printable,
};

/// Time between two reads: smooth to the eye, and cheap for the server.
const EVERY: Duration = Duration::from_millis(300);
/// Length of the bar.
const STEPS: u64 = 1000;

/// Follows the job or batch with this id.
pub async fn watch(options: IdArg, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let (resource, _) = client.find(options.id).await?;
    follow(&client, resource, &options.id.to_string(), json).await
}

/// Follows until it is final, then shows it. A job that did not succeed fails the command, as does
/// a batch with a rejected item.
pub async fn follow(client: &Client, resource: JobOrBatch, id: &str, json: bool) -> CommandResult {
    let last = to_end(client, resource, id, json).await?;
    show(&last, json)?;
    verdict(resource, &last)
}

/// Follows until it is final, and returns it.
pub async fn to_end(
    client: &Client,
    resource: JobOrBatch,
    id: &str,
    json: bool,
) -> Result<Value, Failure> {
    let bar = bar(json);
    let last = loop {
        let now = client.get(&resource.path(id)).await?;
        advance(&bar, &now);
        if is_final(&now) {
            break now;
        }
        tokio::time::sleep(EVERY).await;
    };
    bar.finish_and_clear();
    Ok(last)
}

/// Creates a bar on standard error. It is hidden if that is no terminal, or for JSON.
fn bar(json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) =
        ProgressStyle::with_template("{elapsed_precise} {bar:40} {percent:>3} %  {msg}")
    {
        bar.set_style(style);
    }
    bar
}

/// Shows the progress of a job or a batch on the bar.
fn advance(bar: &ProgressBar, now: &Value) {
    let share = now.pointer("/progress/value").and_then(Value::as_f64).or_else(|| {
        let count = |name: &str| now.pointer(&format!("/counts/{name}")).and_then(Value::as_f64);
        Some(1.0 - count("pending")? / count("total")?.max(1.0))
    });
    if let Some(share) = share {
        bar.set_position((share * STEPS as f64) as u64);
    }
    bar.set_message(printable(&message(now)).into_owned());
}

fn message(now: &Value) -> String {
    let text = |pointer: &str| now.pointer(pointer).and_then(Value::as_str);
    let stage = text("/progress/stage").or(text("/status")).unwrap_or_default();
    match now.pointer("/progress/segments") {
        Some(segments) => {
            format!(
                "{stage}, segments {} of {} ({} cached)",
                segments["done"], segments["total"], segments["cached"]
            )
        }
        None => stage.to_owned(),
    }
}

fn is_final(now: &Value) -> bool {
    matches!(now["status"].as_str(), Some("succeeded" | "failed" | "cancelled" | "settled"))
}

/// The failure of one that did not succeed, or of a batch with a rejected item.
pub fn verdict(resource: JobOrBatch, last: &Value) -> CommandResult {
    let rejected = last.pointer("/counts/rejected").and_then(Value::as_u64).unwrap_or(0);
    match (resource, last["status"].as_str()) {
        (JobOrBatch::Job, Some("succeeded")) => Ok(()),
        (JobOrBatch::Batch, Some("settled")) if rejected == 0 => Ok(()),
        (JobOrBatch::Batch, _) => Err(Failure::Failed(format!("{rejected} items were rejected"))),
        (JobOrBatch::Job, status) => {
            Err(Failure::Failed(format!("the job is {}", status.unwrap_or("in an unknown state"))))
        }
    }
}
