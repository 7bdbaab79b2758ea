//! Work without a server: a producer and a worker in this process, over a store in the cache
//! folder.
//!
//! Several processes may share a cache folder. They share the store, and each dispatches to its own
//! worker only.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::queue::Queue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::leftovers::InterruptibleRun;
use crate::{
    client::Client,
    config::Config,
    dependencies::{Dependencies, catalog, worker_settings},
    exit::{CommandResult, Failure},
    input,
    options::{LocalArgs, SlotArgs},
    printable::printable,
    signals,
};

/// Heartbeats carry the progress that is shown, and a segment takes a second or two.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(400);

/// Reads a composition and adds the merge fields of the command line, which replace those of the
/// document.
pub fn read(file: &Path, options: &LocalArgs) -> Result<Value, Failure> {
    let mut document = input::read_json(file)?;
    input::set_merge_fields(&mut document, &options.merge);
    Ok(document)
}

/// Refuses a composition with faults before anything is fetched. The pointers begin at the file's
/// root; those of a server begin at its request's body.
pub fn refuse_faults(composition: &Value) -> CommandResult {
    let Err(found) = composition::parse(composition) else { return Ok(()) };
    let faults: Vec<Value> = found.iter().map(|fault| json!(fault)).collect();
    Err(faulty(&faults))
}

/// Calls `work` with a client of a producer and a worker in this process, then stops both. If it is
/// interrupted, finished parts stay in the cache and open jobs are cancelled.
pub async fn with_client<T>(
    file: &Path,
    options: &LocalArgs,
    config: &Config,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stop = signals::stop_on_signals()?;
    let cache = options.cache.clone().map_or_else(cache_folder, Ok)?;
    let opening = Dependencies::embedded(config, &cache, false);
    let opened = stop.run_until_cancelled(opening).await;
    let dependencies = opened.unwrap_or(Err(Failure::Interrupted))?;
    let catalog = catalog(false, config);
    let scratch = || Ok(cache.join("scratch"));
    let settings = worker_settings(config, slots(options), &allowed(file, options), scratch)?;
    let settings = worker::Settings { heartbeat_every: HEARTBEAT_EVERY, ..settings };
    let finished = CancellationToken::new();
    let producer = dependencies.producer(config, catalog.clone(), finished.clone())?;
    let run = InterruptibleRun::begin(&cache)?;
    let client = Client::in_process(producer.router(), run.tag());
    run.cancel_leftovers(&client).await;
    let duties = producer.start_duties();
    let worker = tokio::spawn(dependencies.worker(catalog, settings)?.run(finished.clone()));
    let done = tokio::select! {
        done = work(&client) => done,
        () = stop.cancelled() => Err(Failure::Interrupted),
    };
    if done.is_err() {
        run.cancel(&client).await;
    }
    finished.cancel();
    duties.wait().await;
    worker.await.map_err(|error| Failure::Failed(format!("the worker broke: {error}")))??;
    done
}

/// Converts a job's error to a failure: its sentence, or its faults with a line for each.
pub fn failure(job: &Value) -> Failure {
    match job
        .pointer("/error/errors")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        [] => {
            let detail =
                job.pointer("/error/detail").and_then(Value::as_str).unwrap_or("it was cancelled");
            Failure::Failed(printable(detail).into_owned())
        }
        faults => faulty(faults),
    }
}

/// Returns the failure for the faults of a composition, with a line for each.
pub fn faulty(faults: &[Value]) -> Failure {
    let line = |fault: &Value| {
        let part = |name: &str| printable(fault[name].as_str().unwrap_or_default());
        match part("pointer").as_ref() {
            "" => format!("  {}", part("detail")),
            pointer => format!("  {pointer}: {}", part("detail")),
        }
    };
    let lines: Vec<String> = faults.iter().map(line).collect();
    let count =
        if lines.len() == 1 { "a fault".to_owned() } else { format!("{} faults", lines.len()) };
    Failure::Failed(format!("the composition has {count}:\n{}", lines.join("\n")))
}

fn slots(options: &LocalArgs) -> Vec<(Queue, u32)> {
    let defaults = SlotArgs { queue: Vec::new(), slots: None }.by_queue();
    let slots =
        |(queue, slots)| (queue, options.slots.filter(|_| queue == Queue::Render).unwrap_or(slots));
    defaults.into_iter().map(slots).collect()
}

/// Returns the folders whose files may be sources: that of the composition, and the allowed ones.
fn allowed(file: &Path, options: &LocalArgs) -> Vec<PathBuf> {
    let own = file.parent().filter(|_| file != Path::new("-")).map(|folder| {
        match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        }
    });
    own.into_iter().chain(options.allow.iter().cloned()).collect()
}

/// `spool` in the user's cache folder, by the XDG Base Directory Specification.
fn cache_folder() -> Result<PathBuf, Failure> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    base.map(|base| base.join("spool")).ok_or_else(|| {
        Failure::Configuration(
            "there is no home folder to keep a cache in: name one with --cache".into(),
        )
    })
}
