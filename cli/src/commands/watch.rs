//! Follows a job or a batch to its end, with a bar that fills.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::remote::show;
use crate::{
    args::Id,
    client::{Client, Thing},
    exit::{Failure, Outcome},
};

/// How often progress is asked for: what a person sees as moving, and a fraction of what a server bears.
const EVERY: Duration = Duration::from_millis(300);
/// The bar's length.
const STEPS: u64 = 1000;

/// Follows the thing with this id.
pub async fn watch(options: Id, json: bool) -> Outcome {
    let client = Client::new(&options.server.server)?;
    let (thing, _) = client.find(options.id).await?;
    follow(&client, thing, &options.id.to_string(), json).await
}

/// Follows until it is final, then shows it. A job that did not succeed is a failure of the command, as is a batch with a rejected item.
pub async fn follow(client: &Client, thing: Thing, id: &str, json: bool) -> Outcome {
    let bar = bar(json);
    let last = loop {
        let now = client.get(&thing.path(id)).await?;
        advance(&bar, &now);
        if is_final(&now) {
            break now;
        }
        tokio::time::sleep(EVERY).await;
    };
    bar.finish_and_clear();
    show(&last, json);
    verdict(thing, &last)
}

/// A bar on standard error, hidden where that is not a terminal or JSON was asked for.
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

/// Shows a job's or a batch's progress on the bar.
fn advance(bar: &ProgressBar, now: &Value) {
    let share = now.pointer("/progress/value").and_then(Value::as_f64).or_else(|| {
        let count = |name: &str| now.pointer(&format!("/counts/{name}")).and_then(Value::as_f64);
        Some(1.0 - count("pending")? / count("total")?.max(1.0))
    });
    if let Some(share) = share {
        bar.set_position((share * STEPS as f64) as u64);
    }
    bar.set_message(message(now));
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

fn verdict(thing: Thing, last: &Value) -> Outcome {
    let rejected = last.pointer("/counts/rejected").and_then(Value::as_u64).unwrap_or(0);
    match (thing, last["status"].as_str()) {
        (Thing::Job, Some("succeeded")) => Ok(()),
        (Thing::Batch, Some("settled")) if rejected == 0 => Ok(()),
        (Thing::Batch, _) => Err(Failure::Failed(format!("{rejected} items were rejected"))),
        (Thing::Job, status) => {
            Err(Failure::Failed(format!("the job is {}", status.unwrap_or("in an unknown state"))))
        }
    }
}
