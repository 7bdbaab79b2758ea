//! `render` and `still`: a composition to a file, without a server. Dependencies in the cache are not
//! rendered again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use composition::plan::Format;
use serde_json::{Value, json};

use super::{local, progress::RenderProgress};
use crate::{
    args::{Render, Still},
    client::Client,
    config::Config,
    exit::{CommandResult, Failure},
};

/// Time between two reads of the job: the store is local.
const EVERY: Duration = Duration::from_millis(50);
/// Time between two reads of its tasks: a long plan takes a page or more.
const TASKS_EVERY: Duration = Duration::from_millis(250);

/// Runs `render`.
pub async fn run(options: Render, config: Config, json: bool) -> CommandResult {
    let mut input = local::read(&options.file, &options.here)?;
    let output = local::prepare(&options.output)?;
    agree(&mut input, &options.output)?;
    local::refuse_faults(&input)?;
    let job = json!({"kind": "render", "input": input});
    let mut bars = RenderProgress::new(json);
    let rendered = local::with_client(&options.file, &options.here, &config, async |client| {
        let result = follow(client, &job, &mut bars).await?;
        local::keep(&result, &output).map(|()| result)
    });
    show(&rendered.await?, &options.output, json);
    Ok(())
}

/// Runs `still`.
pub async fn still(options: Still, config: Config, json: bool) -> CommandResult {
    let composition = local::read(&options.file, &options.here)?;
    let output = local::prepare(&options.output)?;
    local::refuse_faults(&composition)?;
    let input = json!({"composition": composition, "t": options.time, "format": format_of(&options.output)?});
    let job = json!({"kind": "still", "input": input});
    let mut bars = RenderProgress::new(json);
    let made = local::with_client(&options.file, &options.here, &config, async |client| {
        let result = follow(client, &job, &mut bars).await?;
        local::keep(&result, &output).map(|()| result)
    });
    let result = made.await?;
    match json {
        true => println!("{result}"),
        false => {
            println!("{}  {} × {}", options.output.display(), result["width"], result["height"])
        }
    }
    warn(&result);
    Ok(())
}

/// Returns whether the extension is that of a format we can write.
fn is_format(name: &str) -> bool {
    serde_json::from_value::<Format>(json!(name)).is_ok()
}

/// Sets the composition's format by the extension of its output, and refuses a composition that
/// asks for another. An unknown extension decides nothing.
fn agree(composition: &mut Value, output: &Path) -> CommandResult {
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let named = match extension.as_deref() {
        Some("jpeg") => "jpg",
        Some(named) if is_format(named) => named,
        _ => return Ok(()),
    };
    // A document that is no object is reported as a fault later.
    let Some(document) = composition.as_object_mut() else { return Ok(()) };
    let Some(written) = document.entry("output").or_insert_with(|| json!({})).as_object_mut()
    else {
        return Ok(());
    };
    match written.entry("format").or_insert_with(|| json!(named)).as_str() {
        Some(format) if format != named && is_format(format) => Err(Failure::Failed(format!(
            "{} is named as {named}, and /output/format is `{format}`: name it .{format}, or change the format",
            output.display()
        ))),
        _ => Ok(()),
    }
}

fn format_of(output: &Path) -> Result<&'static str, Failure> {
    let extension = output.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("png") => Ok("png"),
        Some("jpg" | "jpeg") => Ok("jpg"),
        Some("webp") => Ok("webp"),
        _ => Err(Failure::Failed(format!(
            "{} is no picture: name it .png, .jpg or .webp",
            output.display()
        ))),
    }
}

/// Posts a job and follows it to its result. If a cached file turns out to be lost, the work is
/// done again, once.
async fn follow(client: &Client, job: &Value, bars: &mut RenderProgress) -> Result<Value, Failure> {
    let mut ended = settled(client, job, bars).await?;
    if ended.pointer("/error/code").is_some_and(|code| code == common::error::code::ARTIFACT_LOST) {
        bars.say("files in the cache are gone or damaged: what they held is made anew");
        ended = settled(client, job, bars).await?;
    }
    bars.end();
    match ended["status"].as_str() {
        Some("succeeded") => Ok(ended["result"].clone()),
        _ => Err(local::failure(&ended)),
    }
}

/// Posts a job, shows its progress, and returns its final state.
async fn settled(
    client: &Client,
    job: &Value,
    bars: &mut RenderProgress,
) -> Result<Value, Failure> {
    let posted = client.post_job(job).await?;
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
        if ended {
            return Ok(job);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn show(result: &Value, output: &Path, json: bool) {
    if json {
        println!("{result}");
        return;
    }
    let name = output.display();
    let segments = &result["segments"];
    // A sound-only output has no segments.
    let counts = match segments["total"].is_null() {
        true => format!("{} s", result["duration"]),
        false => format!(
            "{} × {}, {} s, segments {} rendered {} cached {}",
            result["width"],
            result["height"],
            result["duration"],
            segments["total"],
            segments["rendered"],
            segments["cached"]
        ),
    };
    println!("{name}  {counts}");
    warn(result);
}

fn warn(result: &Value) {
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("warning: {warning}");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_outputs_name_and_its_format_agree() {
        let agreed = |mut composition: Value, name: &str| {
            agree(&mut composition, Path::new(name)).map(|()| composition)
        };
        assert_eq!(agreed(json!({}), "a.gif").unwrap()["output"]["format"], "gif");
        assert_eq!(
            agreed(json!({"output": {"fps": 25}}), "A.JPEG").unwrap()["output"]["format"],
            "jpg"
        );
        assert_eq!(
            agreed(json!({"output": {"format": "webm"}}), "a.bin").unwrap()["output"]["format"],
            "webm"
        );
        assert!(agreed(json!({"output": {"format": "{{FORMAT}}"}}), "a.mp4").is_ok());
        let told = agreed(json!({"output": {"format": "mp4"}}), "a.webm").unwrap_err().to_string();
        assert!(
            told.contains("a.webm is named as webm") && told.contains("/output/format is `mp4`"),
            "{told}"
        );
        assert_eq!(agreed(json!([]), "a.mp4").unwrap(), json!([]));
    }
}
