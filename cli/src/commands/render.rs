//! `render`: a composition to a file, without a server: the same producer and worker as everywhere, over a store in the cache folder.
//!
//! Several may share a cache folder: they share the store, and each rings its own worker's doorbell.

use std::path::{Path, PathBuf};

use common::kind::Class;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::watch::{advance, bar};
use crate::{
    args::{Render, SlotArgs},
    client::Client,
    config::Config,
    exit::{Failure, Outcome},
    input,
    parts::{Parts, catalog, worker_settings},
    signals,
};

/// Renders.
pub async fn run(options: Render, config: Config, json: bool) -> Outcome {
    let stop = signals::stop_on_signals()?;
    let document = merged(input::read_json(&options.file)?, &options.merge);
    let output = prepare(&options.output)?;
    let cache = options.cache.clone().map_or_else(cache_folder, Ok)?;
    let parts = Parts::embedded(&cache).await?;
    let catalog = catalog(false, &config);
    let settings = worker_settings(&config, slots(&options), &allowed(&options), cache.join("scratch"))?;
    let ended = CancellationToken::new();
    let producer = parts.producer(&config, catalog.clone(), ended.clone())?;
    let client = Client::in_process(producer.router());
    let duties = producer.start_duties();
    let worker = tokio::spawn(parts.worker(catalog, settings)?.run(ended.clone()));
    let rendered = tokio::select! {
        rendered = render(&client, document, json) => rendered,
        () = stop.cancelled() => Err(Failure::Interrupted),
    };
    let rendered = match rendered {
        Ok(result) => keep(&result, &output).map(|()| result),
        Err(failure) => Err(failure),
    };
    ended.cancel();
    duties.wait().await;
    worker.await.map_err(|error| Failure::Failed(format!("the worker broke: {error}")))??;
    show(&rendered?, &options.output, json);
    Ok(())
}

/// Posts the composition and follows it to its result. Interrupted, the job is cancelled by the worker's leaving: what was rendered stays in the cache.
async fn render(client: &Client, document: Value, json: bool) -> Result<Value, Failure> {
    let posted = client.post("/v1/jobs", &json!({"kind": "render", "input": document}), None).await?;
    let path = format!("/v1/jobs/{}", posted["id"].as_str().unwrap_or_default());
    let bar = bar(json);
    loop {
        let job = client.get(&path).await?;
        advance(&bar, &job);
        match job["status"].as_str() {
            Some("succeeded") => {
                bar.finish_and_clear();
                return Ok(job["result"].clone());
            }
            Some("failed" | "cancelled") => {
                bar.finish_and_clear();
                return Err(Failure::Failed(failure(&job)));
            }
            _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

fn failure(job: &Value) -> String {
    let mut said =
        job.pointer("/error/detail").and_then(Value::as_str).unwrap_or("the render was cancelled").to_owned();
    for fault in job.pointer("/error/errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| fault[name].as_str().unwrap_or_default();
        said.push_str(&format!("\n  {}: {}", part("pointer"), part("detail")));
    }
    said
}

/// Values from the command line come after those of the document, and win.
fn merged(mut document: Value, values: &[(String, String)]) -> Value {
    if let (false, Some(object)) = (values.is_empty(), document.as_object_mut()) {
        let fields = object.entry("merge").or_insert_with(|| json!([]));
        if let Some(fields) = fields.as_array_mut() {
            fields.retain(|field| !values.iter().any(|(name, _)| field["find"] == **name));
            fields.extend(values.iter().map(|(name, value)| json!({"find": name, "replace": value})));
        }
    }
    document
}

/// The output's full path; refused now if it can't be written, and not after the work.
fn prepare(output: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(output).map_err(|error| unwritable(output, &error))?;
    if path.is_dir() {
        return Err(Failure::Failed(format!("{} is a folder: name a file, such as out.mp4", output.display())));
    }
    match path.parent() {
        Some(folder) if folder.is_dir() => Ok(path),
        _ => Err(Failure::Failed(format!("the folder of {} does not exist: make it first", output.display()))),
    }
}

fn unwritable(output: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{} can't be written: {error}", output.display()))
}

/// Copies beside the output first, so that it is there whole or not at all.
fn keep(result: &Value, output: &Path) -> Outcome {
    let made = result["path"].as_str().ok_or_else(|| Failure::Failed("the result has no file".into()))?;
    let name = output.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = output.with_file_name(format!(".{name}.{}", std::process::id()));
    let copied = std::fs::copy(made, &beside).and_then(|_| std::fs::rename(&beside, output));
    copied.map_err(|error| {
        // What could not be finished is not left behind.
        let _ = std::fs::remove_file(&beside);
        unwritable(output, &error)
    })
}

fn slots(options: &Render) -> Vec<(Class, u32)> {
    let defaults = SlotArgs { class: Vec::new(), slots: None }.by_class();
    let slots = |(class, slots)| (class, options.slots.filter(|_| class == Class::Render).unwrap_or(slots));
    defaults.into_iter().map(slots).collect()
}

/// Sources may stand beside the composition, and wherever else is allowed.
fn allowed(options: &Render) -> Vec<PathBuf> {
    let own = options.file.parent().filter(|_| options.file != Path::new("-")).map(|folder| {
        match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        }
    });
    own.into_iter().chain(options.allow.iter().cloned()).collect()
}

/// `spool` in the user's cache folder, by the XDG Base Directory Specification.
fn cache_folder() -> Result<PathBuf, Failure> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    base.map(|base| base.join("spool")).ok_or_else(|| {
        Failure::Configuration("there is no home folder to keep a cache in: name one with --cache".into())
    })
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
    for warning in result["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("warning: {warning}");
    }
}
