//! `check`: checks the configuration and every part it names, or, given a file, a composition.

use std::path::{Path, PathBuf};

use clap::Args;
use common::{
    port::{broker::Broker, view_cache::ViewCache},
    store::Upkeep,
};
use prometheus::Registry;
use serde_json::Value;
use worker::{
    SandboxPolicy,
    providers::{Metrics, Providers},
};

use super::local;
use crate::{
    client::Client,
    config::Config,
    dependencies::{broker, needed, own_program, redis, store},
    exit::{CommandResult, Failure},
    options::LocalArgs,
    output,
};

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// A composition; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The server that fetches the sources and looks its cache up.
    #[command(flatten)]
    pub local: LocalArgs,
}

/// Runs the command.
pub async fn run(options: Check, config: Config, json: bool) -> CommandResult {
    match options.file {
        Some(file) => composition(&file, &options.local, &config, json).await,
        None => dependencies(&config, json).await,
    }
}

/// Checks each dependency and prints its state. The providers are checked even if another one
/// fails.
async fn dependencies(config: &Config, json: bool) -> CommandResult {
    let metrics =
        Metrics::new(&Registry::new()).map_err(|error| Failure::Failed(error.to_string()))?;
    let providers = Providers::new(&config.providers, &metrics).map_err(Failure::Configuration)?;
    let (mut checks, sandbox, providers) =
        tokio::join!(fleet(config), sandbox(config), providers.check(own_program()?));
    checks.extend(sandbox);
    checks.extend(
        providers
            .into_iter()
            .map(|(name, found)| (name, found.map(|found| format!("ok: {found}")))),
    );
    show(&checks, json)?;
    match checks.iter().filter(|(_, found)| found.is_err()).count() {
        0 => Ok(()),
        broken => {
            Err(Failure::Configuration(format!("{broken} of {} parts can't be used", checks.len())))
        }
    }
}

/// Checks each dependency of a fleet by itself, so that one failure hides no other. A configuration
/// that names none of them is meant for `spool dev`.
async fn fleet(config: &Config) -> Vec<DependencyCheck> {
    let parts = ["store", "broker", "view_cache", "artifacts"];
    if needed(config).into_iter().all(|(url, _)| url.is_none()) {
        let not_set = |(name, (_, key)): (&str, (_, &str))| {
            let sentence = format!(
                "{key} is not set: `spool dev` does not need it, `spool serve` and `spool work` do"
            );
            (name.to_owned(), Ok(sentence))
        };
        return parts.into_iter().zip(needed(config)).map(not_set).collect();
    }
    let ok = || "ok".to_owned();
    let (store, broker, view_cache, artifacts) = tokio::join!(
        async { Ok::<_, Failure>(store(config).await?.check().await.map(|()| ok())?) },
        async { Ok::<_, Failure>(broker(config, "spool check")?.check().await.map(|()| ok())?) },
        async { Ok::<_, Failure>(redis(config)?.check().await.map(|()| ok())?) },
        async {
            let url = config.required(&config.artifacts_url, "artifacts_url")?;
            let exists = backing::artifacts::check(url).await?;
            Ok(if exists { ok() } else { "ok: the folder is made at the first start".to_owned() })
        },
    );
    let found = [store, broker, view_cache, artifacts];
    let check = |(name, found): (&str, Result<String, Failure>)| {
        (name.to_owned(), found.map_err(|error| error.to_string()))
    };
    parts.into_iter().zip(found).map(check).collect()
}

/// Checks that this machine has every layer of the sandbox, if the configuration requires them.
async fn sandbox(config: &Config) -> Option<DependencyCheck> {
    if config.sandbox == SandboxPolicy::Prefer {
        return None;
    }
    let found = match own_program() {
        Ok(program) => worker::check_sandbox(program).await,
        Err(error) => Err(error.to_string()),
    };
    Some(("sandbox".to_owned(), found.map(|()| "ok".to_owned())))
}

/// The name of a dependency with its state, or with the reason for its failure.
type DependencyCheck = (String, Result<String, String>);

fn show(checks: &[DependencyCheck], json: bool) -> CommandResult {
    let sentence =
        |found: &Result<String, String>| found.as_ref().unwrap_or_else(|error| error).clone();
    if json {
        let all: serde_json::Map<String, Value> =
            checks.iter().map(|(name, found)| (name.clone(), sentence(found).into())).collect();
        return output::line(Value::Object(all));
    }
    output::lines(checks.iter().map(|(name, found)| format!("{name:<18} {}", sentence(found))))
}

/// Prints the summary of a composition. Its sources are fetched and probed, as for a render.
async fn composition(
    file: &Path,
    local_args: &LocalArgs,
    config: &Config,
    json: bool,
) -> CommandResult {
    let document = local::read(file, local_args)?;
    let checked = local::with_client(file, local_args, config, async |client| {
        summary(client, &document).await
    })
    .await?;
    if json {
        output::line(&checked)?;
    }
    let faults = checked["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !faults.is_empty() {
        return Err(local::faulty(faults));
    }
    if json { Ok(()) } else { print_summary(&checked) }
}

/// Requests the summary of a composition. A check that outlasts one call goes on as a job; then the
/// request is repeated when that has ended.
async fn summary(client: &Client, document: &Value) -> Result<Value, Failure> {
    loop {
        let answer = client.post("/v1/compositions/check", document, None).await?;
        let Some(job) = answer["id"].as_str() else { return Ok(answer) };
        let path = format!("/v1/jobs/{job}?wait=25");
        while matches!(client.get(&path).await?["status"].as_str(), Some("queued" | "running")) {}
    }
}

fn print_summary(checked: &Value) -> CommandResult {
    let (segments, estimate) = (&checked["segments"], &checked["estimate"]);
    let seconds = checked["duration"].as_f64().unwrap_or_default();
    let about = if checked["estimated"] == true { "about " } else { "" };
    let mut line = format!("no faults, {about}{:?} s", (seconds * 1e3).round() / 1e3);
    if segments.is_object() {
        line.push_str(&format!(
            ", {} × {}, segments {} cached {}, about {} core seconds to render and {} bytes",
            checked["width"],
            checked["height"],
            segments["total"],
            segments["cached"],
            estimate["coreSeconds"],
            estimate["bytes"]
        ));
    }
    line.push_str(&format!(", ready in about {} s", estimate["seconds"]));
    if estimate["calls"] != 0 {
        let cost = estimate["cost"].as_f64();
        let cost = cost.map_or_else(|| "a price not configured".to_owned(), |c| c.to_string());
        line.push_str(&format!(", {} calls of providers for {cost}", estimate["calls"]));
    }
    output::line(line)?;
    for warning in checked["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::note(format_args!("warning: {warning}"));
    }
    Ok(())
}
