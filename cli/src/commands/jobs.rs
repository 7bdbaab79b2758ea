//! Commands of one request each: submit, status, cancel, retry.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{controls::paused, get, render::set_format, summary::show, watch};
use crate::{
    client::{Client, JobOrBatch},
    exit::{CommandResult, Failure},
    input,
    options::{IdArg, ServerArg, parse_merge},
    output,
    output_file::OutputFile,
};

/// Options of `submit`.
#[derive(Debug, Args)]
pub struct Submit {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Follows the job to its end and saves the file of its result. The extension sets the format
    /// of a composition that has none.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Values for merge fields of a composition: `NAME=VALUE` (repeatable).
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_merge)]
    pub merge: Vec<(String, String)>,
    #[command(flatten)]
    pub post: PostArgs,
}

/// Options of commands that post work.
#[derive(Debug, Args)]
pub struct PostArgs {
    /// Follows the job or batch to its end.
    #[arg(long)]
    pub watch: bool,
    /// Sent as `Idempotency-Key`: the same key posts once.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    #[command(flatten)]
    pub server: ServerArg,
}

impl PostArgs {
    /// Posts a document.
    pub async fn post(&self, client: &Client, path: &str, body: &Value) -> Result<Value, Failure> {
        let posted = client.post(path, body, self.idempotency_key.as_deref()).await?;
        if posted["existing"] == true {
            output::note("the job is unique, and this one is the same: nothing was posted");
        }
        Ok(posted)
    }

    /// Prints the id before anything is waited for, so that an interrupted command can be taken up
    /// again.
    pub fn announce(&self, id: &str, json: bool) {
        match json {
            true => output::note(json!({ "id": id })),
            false => output::note(id),
        }
    }
}

/// Posts a job.
pub async fn submit(options: Submit, json: bool) -> CommandResult {
    let mut job = input::as_job(input::read_json(&options.file)?)?;
    let is_render = job["kind"] == "render";
    if is_render {
        input::set_merge_fields(&mut job["input"], &options.merge);
    } else if !options.merge.is_empty() {
        return Err(Failure::Failed(
            "--merge sets fields of a composition, and this is a job of another kind: leave it out"
                .into(),
        ));
    }
    if let Some(output) = &options.output {
        OutputFile::at(output)?;
        if is_render {
            set_format(&mut job["input"], output)?;
        }
    }
    let client = Client::new(&options.post.server.server)?;
    let posted = options.post.post(&client, "/v1/jobs", &job).await?;
    if !options.post.watch && options.output.is_none() {
        return show(&posted, json);
    }
    let id = posted["id"].as_str().unwrap_or_default();
    options.post.announce(id, json);
    match &options.output {
        Some(output) => {
            let job = watch::to_end(&client, JobOrBatch::Job, id, json).await?;
            get::save_job(&client, job, Some(output), json).await
        }
        None => watch::follow(&client, JobOrBatch::Job, id, json).await,
    }
}

/// Shows a job or a batch.
pub async fn status(options: IdArg, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let (resource, value) = client.find(options.id).await?;
    show(&value, json)?;
    if json || value["waitingFor"].is_null() {
        return Ok(());
    }
    let waiting = client.get(&format!("{}/waiting", resource.path(options.id))).await?;
    output::lines(waiting_lines(&waiting))
}

/// Describes what a job waits for, as far as there is more to say than the reason.
fn waiting_lines(waiting: &Value) -> Vec<String> {
    let pause_line =
        |pause| format!("  {} {}: {}", text(pause, "scope"), text(pause, "name"), paused(pause));
    let pauses = waiting["paused"].as_array().into_iter().flatten();
    let mut lines: Vec<String> = pauses.map(pause_line).collect();
    if let Some(detail) = waiting["broker"]["detail"].as_str() {
        let since = text(&waiting["broker"], "since");
        lines.push(format!("  no task message gets through since {since}: {detail}"));
    }
    if let Some(position) = waiting["position"].as_u64() {
        let start = waiting["estimatedStartAt"].as_str();
        let start = start.map_or_else(String::new, |at| format!(", starts about {at}"));
        lines.push(format!("  place {position} in queue {}{start}", text(waiting, "queue")));
    }
    lines
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
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
