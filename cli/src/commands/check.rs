//! `check`: checks the configuration and every part it names, or, given a file, a composition.

use std::path::Path;

use common::{
    port::{broker::Broker, view_cache::ViewCache},
    store::Upkeep,
};
use prometheus::Registry;
use serde_json::Value;
use worker::providers::{Metrics, Providers};

use super::local;
use crate::{
    args::{Check, LocalArgs},
    client::Client,
    config::Config,
    dependencies::{broker, files, needed, own_program, redis, store},
    exit::{CommandResult, Failure},
};

/// Runs the command.
pub async fn run(options: Check, config: Config, json: bool) -> CommandResult {
    match options.file {
        Some(file) => composition(&file, &options.here, &config, json).await,
        None => parts(&config, json).await,
    }
}

/// Reports for each part whether it answers. The providers are checked even if another part fails.
async fn parts(config: &Config, json: bool) -> CommandResult {
    let metrics =
        Metrics::new(&Registry::new()).map_err(|error| Failure::Failed(error.to_string()))?;
    let providers = Providers::new(&config.providers, &metrics).map_err(Failure::Configuration)?;
    let (mut answers, providers) = tokio::join!(fleet(config), providers.check(own_program()?));
    answers.extend(
        providers
            .into_iter()
            .map(|(part, answer)| (part, answer.map(|found| format!("ok: {found}")))),
    );
    show(&answers, json);
    match answers.iter().filter(|(_, answer)| answer.is_err()).count() {
        0 => Ok(()),
        broken => Err(Failure::Configuration(format!(
            "{broken} of {} parts can't be used",
            answers.len()
        ))),
    }
}

/// Checks each part of a fleet by itself, so that one failure hides no other. A configuration that
/// names providers only is meant for `spool dev`, which needs no other part.
async fn fleet(config: &Config) -> Vec<Answer> {
    if needed(config).into_iter().all(|(url, _)| url.is_none())
        && !config.providers.services.is_empty()
    {
        return vec![(
            "parts".to_owned(),
            Ok("none configured: enough for `spool dev`".to_owned()),
        )];
    }
    let (store, broker, view_cache, artifacts) = tokio::join!(
        async { Ok::<(), Failure>(store(config).await?.check().await?) },
        async { Ok::<(), Failure>(broker(config, "spool check")?.check().await?) },
        async { Ok::<(), Failure>(redis(config)?.check().await?) },
        async { Ok::<(), Failure>(files(config)?.check().await?) },
    );
    let named = [
        ("store", store),
        ("broker", broker),
        ("view_cache", view_cache),
        ("artifacts", artifacts),
    ];
    let answer = |(part, answer): (&str, Result<(), Failure>)| {
        (part.to_owned(), answer.map(|()| "ok".to_owned()).map_err(|fault| fault.to_string()))
    };
    named.map(answer).into()
}

/// Prints a part with its state, or with the reason for its failure.
type Answer = (String, Result<String, String>);

fn show(answers: &[Answer], json: bool) {
    let said =
        |answer: &Result<String, String>| answer.as_ref().unwrap_or_else(|fault| fault).clone();
    if json {
        let all: serde_json::Map<String, Value> =
            answers.iter().map(|(part, answer)| (part.clone(), said(answer).into())).collect();
        println!("{}", Value::Object(all));
    } else {
        answers.iter().for_each(|(part, answer)| println!("{part:<18} {}", said(answer)));
    }
}

/// Prints the summary of a composition. Its sources are fetched and probed, as for a render.
async fn composition(
    file: &Path,
    local_args: &LocalArgs,
    config: &Config,
    json: bool,
) -> CommandResult {
    let document = local::read(file, local_args)?;
    let checked =
        local::with_client(file, local_args, config, async |client| ask(client, &document).await)
            .await?;
    if json {
        println!("{checked}");
    }
    let faults = checked["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !faults.is_empty() {
        return Err(local::faulty(faults));
    }
    if !json {
        tell(&checked);
    }
    Ok(())
}

/// Asks until the answer is there: a check that outlasts one call goes on as a job.
async fn ask(client: &Client, document: &Value) -> Result<Value, Failure> {
    loop {
        let answer = client.post("/v1/compositions/check", document, None).await?;
        let Some(job) = answer["id"].as_str() else { return Ok(answer) };
        let path = format!("/v1/jobs/{job}?wait=25");
        while matches!(client.get(&path).await?["status"].as_str(), Some("queued" | "running")) {}
    }
}

fn tell(checked: &Value) {
    let (segments, estimate) = (&checked["segments"], &checked["estimate"]);
    println!(
        "no faults, {} s, {} × {}, segments {} cached {}, about {} core seconds to render and {} bytes",
        checked["duration"]
            .as_f64()
            .map_or_else(String::new, |seconds| format!("{:?}", (seconds * 1e3).round() / 1e3)),
        checked["width"],
        checked["height"],
        segments["total"],
        segments["cached"],
        estimate["coreSeconds"],
        estimate["bytes"]
    );
    for warning in checked["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        eprintln!("warning: {warning}");
    }
}
