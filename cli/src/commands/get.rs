//! `get`: saves the files of a job or a batch.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{batch, summary, watch};
use crate::{
    client::{Client, JobOrBatch},
    exit::{CommandResult, Failure},
    options::{ServerArg, parse_id},
    output,
    output_file::{OutputFile, extension},
};

/// Options of `get`.
#[derive(Debug, Args)]
pub struct Get {
    /// The id of a job or a batch.
    #[arg(value_name = "ID", value_parser = parse_id)]
    pub id: uuid::Uuid,
    /// The file to write, or the folder for those of a batch; by default a file in this folder,
    /// named by the id.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Runs the command.
pub async fn run(options: Get, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let (resource, _) = client.find(options.id).await?;
    let id = options.id.to_string();
    match resource {
        JobOrBatch::Job => {
            let job = watch::to_end(&client, resource, &id, json).await?;
            save_job(&client, job, options.output.as_deref(), json).await
        }
        JobOrBatch::Batch => {
            let folder = options.output.unwrap_or_else(|| PathBuf::from(&id));
            batch::save(&client, &id, &folder, json).await
        }
    }
}

/// Saves the result of a final job and reports where it is. A job that did not succeed fails the
/// command.
pub async fn save_job(
    client: &Client,
    mut job: Value,
    output: Option<&Path>,
    json: bool,
) -> CommandResult {
    if let Err(failure) = watch::verdict(JobOrBatch::Job, &job) {
        summary::show(&job, json)?;
        return Err(failure);
    }
    let id = job["id"].as_str().unwrap_or_default();
    let file = save(client, &job["result"], output, Path::new(id)).await?;
    if json {
        job["output"] = json!(file);
        return output::line(job);
    }
    output::line(format_args!("{}  {id}", file.display()))
}

/// Saves a result to `output`, or beside it under the name `stem` with an extension. Returns the
/// file's name.
pub async fn save(
    client: &Client,
    result: &Value,
    output: Option<&Path>,
    stem: &Path,
) -> Result<PathBuf, Failure> {
    let named = |held: Option<&str>| match (output, held) {
        (Some(output), Some(held)) => agree(output, held).map(|()| output.to_owned()),
        (Some(output), None) => Ok(output.to_owned()),
        (None, Some(held)) => Ok(PathBuf::from(format!("{}.{held}", stem.display()))),
        (None, None) => Ok(stem.to_owned()),
    };
    if let Some(hash) = result["artifact"].as_str() {
        let file = client.download(&format!("/v1/artifacts/{hash}")).await?;
        let name = named(file.extension().as_deref())?;
        file.save(OutputFile::at(&name)?).await?;
        return Ok(name);
    }
    let (held, text) = match (result["text"].as_str(), result["format"].as_str()) {
        // A subtitle file is in the result itself.
        (Some(text), Some(format @ ("srt" | "vtt" | "ass"))) => (format, text.to_owned()),
        _ => ("json", format!("{result:#}\n")),
    };
    let name = named(Some(held))?;
    OutputFile::at(&name)?.of_text(&text)?;
    Ok(name)
}

/// Refuses a name whose extension is not that of the content.
fn agree(output: &Path, held: &str) -> CommandResult {
    match extension(output) {
        Some(named) if named != held => Err(Failure::Failed(format!(
            "{} is named as {named}, and the result is {held}: name it .{held}",
            output.display()
        ))),
        _ => Ok(()),
    }
}
