//! `render` and `still`: a composition to a file, without a server; what is in the cache is not rendered again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{bars::Bars, here};
use crate::{
    args::{Render, Still},
    client::Client,
    config::Config,
    exit::{Failure, Outcome},
};

/// How often progress is looked at: nothing is asked over a wire.
const EVERY: Duration = Duration::from_millis(50);
/// How often its tasks are: a long plan is a page or more.
const TASKS_EVERY: Duration = Duration::from_millis(250);

/// Renders.
pub async fn run(options: Render, config: Config, json: bool) -> Outcome {
    let input = here::read(&options.file, &options.here)?;
    let output = here::prepare(&options.output)?;
    let job = json!({"kind": "render", "input": input});
    let mut bars = Bars::new(json);
    let rendered = here::with_client(&options.file, &options.here, &config, async |client| {
        let result = follow(client, &job, &mut bars).await?;
        here::keep(&result, &output).map(|()| result)
    });
    show(&rendered.await?, &options.output, json);
    Ok(())
}

/// Makes a picture of one moment.
pub async fn still(options: Still, config: Config, json: bool) -> Outcome {
    let composition = here::read(&options.file, &options.here)?;
    let output = here::prepare(&options.output)?;
    let input = json!({"composition": composition, "t": options.time, "format": format_of(&options.output)?});
    let job = json!({"kind": "still", "input": input});
    let mut bars = Bars::new(json);
    let made = here::with_client(&options.file, &options.here, &config, async |client| {
        let result = follow(client, &job, &mut bars).await?;
        here::keep(&result, &output).map(|()| result)
    });
    let result = made.await?;
    match json {
        true => println!("{result}"),
        false => println!("{}  {} × {}", options.output.display(), result["width"], result["height"]),
    }
    warn(&result);
    Ok(())
}

fn format_of(output: &Path) -> Result<&'static str, Failure> {
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("png") => Ok("png"),
        Some("jpg" | "jpeg") => Ok("jpg"),
        Some("webp") => Ok("webp"),
        _ => Err(Failure::Failed(format!("{} is no picture: name it .png, .jpg or .webp", output.display()))),
    }
}

/// Posts a job and follows it to its result.
async fn follow(client: &Client, job: &Value, bars: &mut Bars) -> Result<Value, Failure> {
    let posted = client.post("/v1/jobs", job, None).await?;
    let path = format!("/v1/jobs/{}", posted["id"].as_str().unwrap_or_default());
    let mut looked: Option<Instant> = None;
    let mut tasks = Value::Null;
    loop {
        let job = client.get(&path).await?;
        let ended = !matches!(job["status"].as_str(), Some("queued" | "running"));
        if ended || looked.is_none_or(|at| at.elapsed() >= TASKS_EVERY) {
            tasks = client.get(&format!("{path}/tasks")).await?;
            looked = Some(Instant::now());
        }
        bars.show(&job, &tasks);
        match job["status"].as_str() {
            Some("succeeded") => {
                bars.end();
                return Ok(job["result"].clone());
            }
            Some("failed" | "cancelled") => {
                bars.end();
                return Err(here::failure(&job));
            }
            _ => tokio::time::sleep(EVERY).await,
        }
    }
}

fn show(result: &Value, output: &Path, json: bool) {
    if json {
        println!("{result}");
        return;
    }
    let segments = &result["segments"];
    println!(
        "{}  {} × {}, {} s, segments {} rendered {} cached {}",
        output.display(),
        result["width"],
        result["height"],
        result["duration"],
        segments["total"],
        segments["rendered"],
        segments["cached"]
    );
    warn(result);
}

fn warn(result: &Value) {
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("warning: {warning}");
    }
}
