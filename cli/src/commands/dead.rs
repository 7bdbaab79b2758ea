//! `dead`: tasks that failed for good.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::summary;
use crate::{
    client::Client,
    exit::{CommandResult, Failure},
    options::ServerArg,
    output,
};

/// Options of `dead`.
#[derive(Debug, Args)]
pub struct Dead {
    #[command(subcommand)]
    pub action: DeadAction,
    #[command(flatten)]
    pub server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub enum DeadAction {
    /// Lists tasks that failed for good, those of the newest jobs first.
    List {
        #[command(flatten)]
        filter: DeadFilter,
        /// The most rows.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Shows one task with every attempt that failed.
    Show {
        #[arg(value_name = "TASK")]
        task: Uuid,
    },
    /// Retries one task, or all that match.
    Retry {
        #[arg(
            value_name = "TASK",
            conflicts_with_all = ["all", "kind", "class", "code", "since", "until"]
        )]
        task: Option<Uuid>,
        /// All dead work, in place of a filter.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: DeadFilter,
    },
}

/// Filters of dead work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DeadFilter {
    /// Only tasks of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only with an error of this class: caller, transient, permanent or bug.
    #[arg(long)]
    pub class: Option<String>,
    /// Only with an error of this code, such as `timeout`.
    #[arg(long)]
    pub code: Option<String>,
    /// Only tasks that failed at this time or later, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only tasks that failed before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

impl DeadFilter {
    fn members(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("kind", &self.kind),
            ("class", &self.class),
            ("code", &self.code),
            ("since", &self.since),
            ("until", &self.until),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// Runs the command.
pub async fn run(options: Dead, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    match options.action {
        DeadAction::List { filter, limit } => list(&client, &filter, limit, json).await,
        DeadAction::Show { task } => {
            show_whole(&client.get(&format!("/v1/admin/dead/{task}")).await?, json)
        }
        DeadAction::Retry { task: Some(task), .. } => {
            let job =
                client.post(&format!("/v1/admin/dead/{task}/replay"), &json!({}), None).await?;
            summary::show(&job, json)
        }
        DeadAction::Retry { all: false, filter, .. } if filter == DeadFilter::default() => {
            Err(Failure::Failed(
                "name a task, give a filter such as --code timeout, or say --all".into(),
            ))
        }
        DeadAction::Retry { filter, .. } => retry_all(&client, &filter, json).await,
    }
}

async fn list(client: &Client, filter: &DeadFilter, limit: usize, json: bool) -> CommandResult {
    let each = async |task: &Value| show(task, json);
    client.list("/v1/admin/dead", &filter.members(), "tasks", limit, each).await
}

/// Retries all that match, page by page: one call retries a bounded number.
async fn retry_all(client: &Client, filter: &DeadFilter, json: bool) -> CommandResult {
    let mut body: Map<String, Value> = filter
        .members()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    // Tasks that fail again meanwhile are not retried twice.
    body.entry("until").or_insert_with(|| Value::from(jiff::Timestamp::now().to_string()));
    let mut replayed = 0;
    loop {
        let answer =
            client.post("/v1/admin/dead/replay", &Value::Object(body.clone()), None).await?;
        replayed += answer["replayed"].as_u64().unwrap_or_default();
        match answer["nextCursor"].as_str() {
            Some(cursor) => body.insert("cursor".to_owned(), Value::from(cursor)),
            None => break,
        };
    }
    match (json, replayed) {
        (true, _) => output::line(json!({ "replayed": replayed })),
        (false, 1) => output::line("1 job runs again"),
        (false, _) => output::line(format_args!("{replayed} jobs run again")),
    }
}

/// Prints one line for people, or the whole document as JSON.
fn show(task: &Value, json: bool) -> CommandResult {
    if json {
        return output::line(task);
    }
    let text = |pointer: &str| task.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (id, kind, at) = (text("/id"), text("/kind"), text("/finishedAt"));
    output::line(format_args!(
        "{id} {kind} {at}  {} ({}): {}",
        text("/error/code"),
        text("/error/class"),
        text("/error/detail")
    ))
}

fn show_whole(task: &Value, json: bool) -> CommandResult {
    show(task, json)?;
    if json {
        return Ok(());
    }
    for failure in task["errors"].as_array().into_iter().flatten() {
        let text =
            |pointer: &str| failure.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (at, worker, code) = (text("/at"), text("/worker"), text("/error/code"));
        output::line(format_args!(
            "  attempt {} {at} {worker}  {code}: {}",
            failure["attempt"],
            text("/error/detail")
        ))?;
        output::lines(text("/log").lines().map(|line| format!("    {line}")))?;
    }
    Ok(())
}
