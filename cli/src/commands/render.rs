//! `render` and `still`: render a composition to a file, without a server. Segments in the cache
//! are not rendered again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use composition::plan::Format;
use serde_json::{Value, json};

use super::{local, progress::RenderProgress};
use crate::{
    client::Client,
    config::Config,
    exit::{CommandResult, Failure},
    options::LocalArgs,
    output,
    output_file::{OutputFile, extension},
};

/// Options of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// The composition; `-` reads it from standard input.
    #[arg(value_name = "COMP")]
    pub file: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub local: LocalArgs,
}

/// Options of `still`.
#[derive(Debug, Args)]
pub struct Still {
    /// The composition; `-` reads it from standard input.
    #[arg(value_name = "COMP")]
    pub file: PathBuf,
    /// The time in the composition, in seconds.
    #[arg(
        short = 't',
        long = "time",
        default_value = "0",
        value_name = "SECONDS",
        value_parser = parse_seconds
    )]
    pub time: serde_json::Number,
    /// The picture to write; its extension decides the format: png, jpg or webp.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub local: LocalArgs,
}

/// Keeps the text as it was given, so that the number stays exact.
fn parse_seconds(text: &str) -> Result<serde_json::Number, String> {
    match common::json::parse(text) {
        Ok(Value::Number(seconds)) => Ok(seconds),
        _ => Err("give seconds, such as 2.5".to_owned()),
    }
}

/// Time between two reads of the job: the store is local.
const EVERY: Duration = Duration::from_millis(50);
/// Time between two reads of its tasks: a long plan takes a page or more.
const TASKS_EVERY: Duration = Duration::from_millis(250);

/// Runs `render`.
pub async fn run(options: Render, config: Config, json: bool) -> CommandResult {
    let mut input = local::read(&options.file, &options.local)?;
    let output = OutputFile::at(&options.output)?;
    set_format(&mut input, &options.output)?;
    local::refuse_faults(&input)?;
    let job = json!({"kind": "render", "input": input});
    let result = run_to_file(&job, output, &options.file, &options.local, &config, json).await?;
    show(&result, &options.output, json)
}

/// Runs `still`.
pub async fn still(options: Still, config: Config, json: bool) -> CommandResult {
    let composition = local::read(&options.file, &options.local)?;
    let output = OutputFile::at(&options.output)?;
    local::refuse_faults(&composition)?;
    let format = format_of(&options.output)?;
    let input = json!({"composition": composition, "t": options.time, "format": format});
    let job = json!({"kind": "still", "input": input});
    let result = run_to_file(&job, output, &options.file, &options.local, &config, json).await?;
    let (width, height) = (&result["width"], &result["height"]);
    match json {
        true => output::line(&result)?,
        false => {
            output::line(format_args!("{}  {width} × {height}", options.output.display()))?;
        }
    }
    warn(&result);
    Ok(())
}

/// Returns whether the extension is that of a format that can be written.
fn is_format(name: &str) -> bool {
    serde_json::from_value::<Format>(json!(name)).is_ok()
}

/// Sets the composition's format by the extension of its output. Refuses a composition that asks
/// for another, and an extension of no format. A name without an extension decides nothing.
pub(super) fn set_format(composition: &mut Value, output: &Path) -> CommandResult {
    let extension = extension(output);
    let named = match extension.as_deref() {
        Some(named) if is_format(named) => named,
        Some(_) => {
            return Err(Failure::Failed(format!(
                "{} has the extension of no format that can be written: name it .mp4, .webm, .gif, \
                 .webp, .mp3, .wav, .png or .jpg",
                output.display()
            )));
        }
        None => return Ok(()),
    };
    // A document that is no object is reported as a fault later.
    let Some(document) = composition.as_object_mut() else { return Ok(()) };
    let Some(members) = document.entry("output").or_insert_with(|| json!({})).as_object_mut()
    else {
        return Ok(());
    };
    match members.entry("format").or_insert_with(|| json!(named)).as_str() {
        Some(format) if format != named && is_format(format) => Err(Failure::Failed(format!(
            "{} is named as {named}, and /output/format is `{format}`: name it .{format}, or \
             change the format",
            output.display()
        ))),
        _ => Ok(()),
    }
}

fn format_of(output: &Path) -> Result<&'static str, Failure> {
    match extension(output).as_deref() {
        Some("png") => Ok("png"),
        Some("jpg") => Ok("jpg"),
        Some("webp") => Ok("webp"),
        _ => Err(Failure::Failed(format!(
            "{} is no picture: name it .png, .jpg or .webp",
            output.display()
        ))),
    }
}

/// Runs a job and copies the file of its result to `output`. The result names it as `output`; its
/// `path` is the file in the cache.
async fn run_to_file(
    job: &Value,
    output: OutputFile,
    composition: &Path,
    options: &LocalArgs,
    config: &Config,
    json: bool,
) -> Result<Value, Failure> {
    let mut progress = RenderProgress::new(json);
    let path = output.path().to_owned();
    let mut result = local::with_client(composition, options, config, async |client| {
        let result = follow(client, job, &mut progress).await?;
        let cached = result["path"].as_str();
        let cached = cached.ok_or_else(|| Failure::Failed("the result has no file".into()))?;
        output.copy_of(Path::new(cached)).map(|()| result)
    })
    .await?;
    result["output"] = json!(path);
    Ok(result)
}

/// Posts a job and follows it to its result. If a cached file turns out to be lost, the work is
/// done again, once.
async fn follow(
    client: &Client,
    job: &Value,
    progress: &mut RenderProgress,
) -> Result<Value, Failure> {
    let mut ended = settled(client, job, progress).await?;
    if ended.pointer("/error/code").is_some_and(|code| code == common::error::code::ARTIFACT_LOST) {
        progress.note("files in the cache are gone or damaged and are made again");
        ended = settled(client, job, progress).await?;
    }
    progress.end();
    match ended["status"].as_str() {
        Some("succeeded") => Ok(ended["result"].clone()),
        _ => Err(local::failure(&ended)),
    }
}

/// Posts a job, shows its progress, and returns its final state.
async fn settled(
    client: &Client,
    job: &Value,
    progress: &mut RenderProgress,
) -> Result<Value, Failure> {
    let posted = client.post_job(job).await?;
    let path = format!("/v1/jobs/{}", posted["id"].as_str().unwrap_or_default());
    let mut tasks_read: Option<Instant> = None;
    let mut tasks = Value::Null;
    loop {
        let job = client.get(&path).await?;
        let ended = !matches!(job["status"].as_str(), Some("queued" | "running"));
        if ended || tasks_read.is_none_or(|at| at.elapsed() >= TASKS_EVERY) {
            tasks = client.get(&format!("{path}/tasks")).await?;
            tasks_read = Some(Instant::now());
        }
        progress.show(&job, &tasks);
        if ended {
            return Ok(job);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn show(result: &Value, output: &Path, json: bool) -> CommandResult {
    if json {
        return output::line(result);
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
    output::line(format_args!("{name}  {counts}"))?;
    warn(result);
    Ok(())
}

fn warn(result: &Value) {
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::note(format_args!("warning: {warning}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_name_and_the_format_of_an_output_agree() {
        let agreed = |mut composition: Value, name: &str| {
            set_format(&mut composition, Path::new(name)).map(|()| composition)
        };
        assert_eq!(agreed(json!({}), "a.gif").unwrap()["output"]["format"], "gif");
        assert_eq!(
            agreed(json!({"output": {"fps": 25}}), "A.JPEG").unwrap()["output"]["format"],
            "jpg"
        );
        assert_eq!(
            agreed(json!({"output": {"format": "webm"}}), "a").unwrap()["output"]["format"],
            "webm"
        );
        assert!(agreed(json!({"output": {"format": "{{FORMAT}}"}}), "a.mp4").is_ok());
        for composition in [json!({}), json!({"output": {"format": "mp4"}})] {
            let error = agreed(composition, "x.avi").unwrap_err().to_string();
            assert!(error.contains("x.avi has the extension of no format"), "{error}");
        }
        let error = agreed(json!({"output": {"format": "mp4"}}), "a.webm").unwrap_err().to_string();
        assert!(
            error.contains("a.webm is named as webm") && error.contains("/output/format is `mp4`"),
            "{error}"
        );
        assert_eq!(agreed(json!([]), "a.mp4").unwrap(), json!([]));
    }
}
