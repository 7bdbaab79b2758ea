//! `check`: the configuration and every part it names; or, given a file, a composition.

use serde_json::{Value, json};
use worker::providers::{Metrics, Providers};

use crate::{
    args::Check,
    config::Config,
    exit::{Failure, Outcome},
    input,
    parts::{Parts, own_program},
};

/// Checks what it is asked to.
pub async fn run(options: Check, config: Config, json: bool) -> Outcome {
    match options.file {
        Some(file) => composition(input::read_json(&file)?, json),
        None => parts(&config, json).await,
    }
}

/// Reaches for every part, and says of each whether it is there.
async fn parts(config: &Config, json: bool) -> Outcome {
    let parts = Parts::production(config, "spool check").await?;
    let providers = providers(config, &parts)?;
    let program = own_program()?;
    let (store, broker, board, artifacts, providers) = tokio::join!(
        parts.store.check(),
        parts.broker.check(),
        parts.board.check(),
        parts.artifacts.check(),
        providers.check(program)
    );
    let named = [("store", store), ("broker", broker), ("board", board), ("artifacts", artifacts)];
    let mut answers: Vec<Answer> = named
        .into_iter()
        .map(|(part, answer)| (part.to_owned(), answer.map(|()| "ok".to_owned()).map_err(|error| error.to_string())))
        .collect();
    answers.extend(providers.into_iter().map(|(part, answer)| (part, answer.map(|found| format!("ok: {found}")))));
    show(&answers, json);
    match answers.iter().filter(|(_, answer)| answer.is_err()).count() {
        0 => Ok(()),
        broken => Err(Failure::Configuration(format!("{broken} of {} parts can't be used", answers.len()))),
    }
}

/// The providers that are configured, set up and not yet asked.
fn providers(config: &Config, parts: &Parts) -> Result<Providers, Failure> {
    let metrics = Metrics::new(&parts.registry).map_err(|error| Failure::Failed(error.to_string()))?;
    Providers::new(&config.providers, &metrics).map_err(Failure::Configuration)
}

/// A part, and what was found or what is wrong.
type Answer = (String, Result<String, String>);

fn show(answers: &[Answer], json: bool) {
    let said = |answer: &Result<String, String>| answer.as_ref().unwrap_or_else(|fault| fault).clone();
    if json {
        let all: serde_json::Map<String, Value> =
            answers.iter().map(|(part, answer)| (part.clone(), said(answer).into())).collect();
        println!("{}", Value::Object(all));
    } else {
        answers.iter().for_each(|(part, answer)| println!("{part:<18} {}", said(answer)));
    }
}

/// Says whether a composition can be rendered as far as can be known without its sources.
fn composition(document: Value, json: bool) -> Outcome {
    let composition = composition::parse(&document).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("  {}: {}", fault.pointer, fault.detail)).collect();
        Failure::Failed(format!("the composition has {} faults:\n{}", faults.len(), lines.join("\n")))
    })?;
    let sources = composition::sources(&composition).len();
    match json {
        true => println!("{}", json!({"faults": [], "sources": sources})),
        false => println!("no faults, {sources} sources"),
    }
    Ok(())
}
