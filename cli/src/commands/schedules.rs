//! `schedules`: jobs that recur.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{client::Client, exit::CommandResult, input, options::ServerArg, output};

/// Options of `schedules`.
#[derive(Debug, Args)]
pub struct Schedules {
    #[command(subcommand)]
    pub action: ScheduleAction,
    #[command(flatten)]
    pub server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub enum ScheduleAction {
    /// Lists the schedules, newest first.
    List,
    /// Creates a schedule from a file with `{"cron", "timezone", "job"}`.
    Create {
        /// The file; `-` reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Deletes a schedule; the jobs that it made stay.
    Delete {
        #[arg(value_name = "ID")]
        id: Uuid,
    },
    /// Pauses a schedule.
    Pause {
        #[arg(value_name = "ID")]
        id: Uuid,
    },
    /// Resumes a schedule, from now on.
    Resume {
        #[arg(value_name = "ID")]
        id: Uuid,
    },
}

/// Runs the command.
pub async fn run(options: Schedules, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    let act = async |id: Uuid, action: &str| {
        client.post(&format!("/v1/schedules/{id}/{action}"), &json!({}), None).await
    };
    let schedule = match options.action {
        ScheduleAction::List => return list(&client, json).await,
        ScheduleAction::Create { file } => {
            client.post("/v1/schedules", &input::read_json(&file)?, None).await?
        }
        ScheduleAction::Delete { id } => {
            return client.delete(&format!("/v1/schedules/{id}")).await.map(drop);
        }
        ScheduleAction::Pause { id } => act(id, "pause").await?,
        ScheduleAction::Resume { id } => act(id, "resume").await?,
    };
    show(&schedule, json)
}

async fn list(client: &Client, json: bool) -> CommandResult {
    let each = async |schedule: &Value| show(schedule, json);
    client.list("/v1/schedules", &[], "schedules", usize::MAX, each).await
}

/// Prints one line for people, or the whole document as JSON.
fn show(schedule: &Value, json: bool) -> CommandResult {
    if json {
        return output::line(schedule);
    }
    let text = |name: &str| schedule[name].as_str().unwrap_or_default();
    let when = match (schedule["paused"].as_bool(), schedule["nextAt"].as_str()) {
        (Some(true), _) => "paused".to_owned(),
        (_, Some(next)) => format!("next {next}"),
        _ => "ended".to_owned(),
    };
    let mut line = format!("{} `{}` {}  {when}", text("id"), text("cron"), text("timezone"));
    if let Some(job) = schedule["lastJob"].as_str() {
        line.push_str(&format!("  last {} {job}", text("lastAt")));
    }
    if let Some(detail) = schedule.pointer("/lastRefusal/error/detail").and_then(Value::as_str) {
        line.push_str(&format!("  refused: {detail}"));
    }
    if let Some(name) = schedule["name"].as_str() {
        line.push_str(&format!("  {name}"));
    }
    output::line(line)
}
