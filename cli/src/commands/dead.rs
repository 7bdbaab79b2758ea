//! `dead`: tasks that failed for good.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    args::ServerArg,
    client::Client,
    exit::{CommandResult, Failure},
};

/// Options of `dead`.
#[derive(Debug, Args)]
pub struct Dead {
    #[command(subcommand)]
    pub action: Action,
    #[command(flatten)]
    pub server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists tasks that failed for good, those of the newest jobs first.
    List {
        #[command(flatten)]
        filter: Filter,
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
        #[arg(value_name = "TASK", conflicts_with_all = ["all", "kind", "class", "code", "since", "until"])]
        task: Option<Uuid>,
        /// All dead work, in place of a filter.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        filter: Filter,
    },
}

/// Filters of dead work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Filter {
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

impl Filter {
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
        Action::List { filter, limit } => list(&client, &filter, limit, json).await,
        Action::Show { task } => {
            show_whole(&client.get(&format!("/v1/admin/dead/{task}")).await?, json);
            Ok(())
        }
        Action::Retry { task: Some(task), .. } => {
            let job =
                client.post(&format!("/v1/admin/dead/{task}/replay"), &json!({}), None).await?;
            super::jobs::show(&job, json);
            Ok(())
        }
        Action::Retry { all: false, filter, .. } if filter == Filter::default() => {
            Err(Failure::Failed(
                "name a task, give a filter such as --code timeout, or say --all".into(),
            ))
        }
        Action::Retry { filter, .. } => retry_all(&client, &filter, json).await,
    }
}

async fn list(client: &Client, filter: &Filter, limit: usize, json: bool) -> CommandResult {
    let (mut cursor, mut left) = (None::<String>, limit);
    while left > 0 {
        let page = client.get(&path(filter, left.min(100), cursor.as_deref())).await?;
        let tasks = page["tasks"].as_array().cloned().unwrap_or_default();
        tasks.iter().for_each(|task| show(task, json));
        left = left.saturating_sub(tasks.len());
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

fn path(filter: &Filter, limit: usize, cursor: Option<&str>) -> String {
    let limit = limit.to_string();
    let paging =
        [("limit", limit.as_str())].into_iter().chain(cursor.map(|cursor| ("cursor", cursor)));
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs: Vec<String> = filter
        .members()
        .into_iter()
        .chain(paging)
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    format!("/v1/admin/dead?{}", pairs.join("&"))
}

/// Retries all that match, page by page: one call retries a bounded number.
async fn retry_all(client: &Client, filter: &Filter, json: bool) -> CommandResult {
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
    if json {
        println!("{}", json!({ "replayed": replayed }));
    } else {
        println!("{replayed} {} again", if replayed == 1 { "job runs" } else { "jobs run" });
    }
    Ok(())
}

/// Prints one line for people, or the whole document as JSON.
fn show(task: &Value, json: bool) {
    if json {
        println!("{task}");
        return;
    }
    let text = |pointer: &str| task.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (id, kind, at) = (text("/id"), text("/kind"), text("/finishedAt"));
    println!(
        "{id} {kind} {at}  {} ({}): {}",
        text("/error/code"),
        text("/error/class"),
        text("/error/detail")
    );
}

fn show_whole(task: &Value, json: bool) {
    show(task, json);
    if json {
        return;
    }
    for failure in task["errors"].as_array().into_iter().flatten() {
        let text =
            |pointer: &str| failure.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (at, worker, code) = (text("/at"), text("/worker"), text("/error/code"));
        println!(
            "  attempt {} {at} {worker}  {code}: {}",
            failure["attempt"],
            text("/error/detail")
        );
        text("/log").lines().for_each(|line| println!("    {line}"));
    }
}
