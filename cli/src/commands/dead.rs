//! Tasks that failed for good: `spool dead`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    args::ServerArg,
    client::Client,
    exit::{Failure, Outcome},
};

/// Options of `dead`.
#[derive(Debug, Args)]
pub struct Dead {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArg,
}

/// What to do about dead work.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists tasks that failed for good, those of the newest jobs first.
    List {
        /// Which.
        #[command(flatten)]
        filter: Filter,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// Shows one with every attempt that failed.
    Show {
        /// The task's id.
        #[arg(value_name = "TASK")]
        task: Uuid,
    },
    /// Tries anew one, or all that match.
    Retry {
        /// The task's id.
        #[arg(value_name = "TASK", conflicts_with_all = ["all", "kind", "class", "code", "since", "until"])]
        task: Option<Uuid>,
        /// All of it, where no filter says less.
        #[arg(long)]
        all: bool,
        /// Which.
        #[command(flatten)]
        filter: Filter,
    },
}

/// Which dead work.
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
    /// Only what failed at this time or later, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only what failed before this time.
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

/// Does it.
pub async fn run(options: Dead, json: bool) -> Outcome {
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
            super::remote::show(&job, json);
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

async fn list(client: &Client, filter: &Filter, limit: usize, json: bool) -> Outcome {
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

/// One call tries anew a bounded number; they go on from one another until all that match were seen.
async fn retry_all(client: &Client, filter: &Filter, json: bool) -> Outcome {
    let mut body: Map<String, Value> = filter
        .members()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    // What fails again while this goes on is not tried again by it.
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

/// One line for people; the whole document for machines.
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
