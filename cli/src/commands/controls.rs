//! Operators' commands: `spool limits`, `pause`, `resume`, `queues`, `workers`.

use clap::{Args, Subcommand, ValueEnum};
use common::queue::Queue;
use serde_json::{Value, json};

use crate::{
    client::{Client, encoded},
    dependencies::host_name,
    exit::CommandResult,
    options::{QueueArg, ServerArg},
    output,
};

/// Options of `limits`.
#[derive(Debug, Args)]
pub struct Limits {
    #[command(subcommand)]
    pub action: LimitAction,
    #[command(flatten)]
    pub server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub enum LimitAction {
    /// Lists the limits.
    List,
    /// Sets a limit: the most tasks queued or running at once.
    Set {
        #[command(flatten)]
        limit: LimitName,
        /// The most tasks; 0 holds all of them back.
        #[arg(value_name = "MOST")]
        most: u32,
    },
    /// Removes a limit.
    Unset {
        #[command(flatten)]
        limit: LimitName,
    },
}

/// The scope and name of a limit.
#[derive(Debug, Args)]
pub struct LimitName {
    /// The scope of the limit.
    #[arg(value_enum, value_name = "SCOPE")]
    pub scope: Scope,
    /// The tenant ('*': each tenant without a limit of its own), the kind, or the provider (text,
    /// speech, image, transcription).
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// The scope of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// All work of a tenant.
    Tenant,
    /// All tasks of a kind.
    Kind,
    /// All tasks of the kinds that ask a provider.
    Provider,
}

/// Options of `pause` and `resume`.
#[derive(Debug, Args)]
#[group(id = "paused", required = true, multiple = false, args = ["queue", "tenant"])]
pub struct Pause {
    /// The queue.
    #[arg(long, value_enum, value_name = "QUEUE")]
    pub queue: Option<QueueArg>,
    /// The tenant.
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Options of `pause`.
#[derive(Debug, Args)]
pub struct NamedPause {
    #[command(flatten)]
    pub pause: Pause,
    /// Your name, for those who wait; your user and machine unless said.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// Lists, sets and removes limits.
pub async fn limits(options: Limits, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    match options.action {
        LimitAction::List => show(&client.get("/v1/admin/limits").await?, json, limit_lines),
        LimitAction::Set { limit, most } => {
            let set = client.put(&limit.path(), &json!({ "most": most })).await?;
            show(&set, json, |limit| limit_line(limit).into_iter().collect())
        }
        LimitAction::Unset { limit } => client.delete(&limit.path()).await.map(drop),
    }
}

/// Pauses a queue or a tenant.
pub async fn pause(options: NamedPause, json: bool) -> CommandResult {
    let by = options.by.or_else(user_at_machine);
    act(options.pause, "pause", &json!({ "by": by }), json).await
}

fn user_at_machine() -> Option<String> {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty())?;
    Some(format!("{user}@{}", host_name()))
}

/// Resumes a queue or a tenant.
pub async fn resume(options: Pause, json: bool) -> CommandResult {
    act(options, "resume", &json!({}), json).await
}

/// Shows each queue.
pub async fn queues(server: ServerArg, json: bool) -> CommandResult {
    show(&Client::new(&server.server)?.get("/v1/admin/queues").await?, json, queue_lines)
}

/// Shows the live workers and the tasks they run.
pub async fn workers(server: ServerArg, json: bool) -> CommandResult {
    show(&Client::new(&server.server)?.get("/v1/admin/workers").await?, json, worker_lines)
}

async fn act(options: Pause, action: &str, body: &Value, json: bool) -> CommandResult {
    let resource = match (options.queue, &options.tenant) {
        (Some(queue), _) => format!("queues/{}", Queue::from(queue)),
        (None, tenant) => {
            format!("tenants/{}", encoded(tenant.as_deref().unwrap_or_default()))
        }
    };
    let client = Client::new(&options.server.server)?;
    let state = client.post(&format!("/v1/admin/{resource}/{action}"), body, None).await?;
    if json {
        return output::line(state);
    }
    if let (false, Some(sentence)) = (state["matched"] == true, unmatched(&options, action)) {
        output::note(format_args!("warning: {sentence}"));
    }
    Ok(())
}

/// Says that a pause or a resume met nothing: the name may be misspelt.
fn unmatched(options: &Pause, action: &str) -> Option<String> {
    match (&options.tenant, options.queue, action) {
        (Some(tenant), _, "pause") => {
            Some(format!("no job belongs to tenant `{tenant}`; jobs of it would wait from now on"))
        }
        (Some(tenant), _, _) => Some(format!("tenant `{tenant}` was not paused")),
        (None, Some(queue), "resume") => {
            Some(format!("queue `{}` was not paused", Queue::from(queue)))
        }
        _ => None,
    }
}

impl LimitName {
    fn path(&self) -> String {
        let scope = match self.scope {
            Scope::Tenant => "tenant",
            Scope::Kind => "kind",
            Scope::Provider => "provider",
        };
        format!("/v1/admin/limits/{scope}/{}", encoded(&self.name))
    }
}

fn show(value: &Value, json: bool, lines: impl Fn(&Value) -> Vec<String>) -> CommandResult {
    if json { output::line(value) } else { output::lines(lines(value)) }
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn limit_lines(answer: &Value) -> Vec<String> {
    members(answer, "limits").filter_map(limit_line).collect()
}

fn limit_line(limit: &Value) -> Option<String> {
    let kinds: Vec<&str> = members(limit, "kinds").filter_map(Value::as_str).collect();
    let counted = if kinds.len() > 1 { format!("  ({})", kinds.join(", ")) } else { String::new() };
    Some(format!(
        "{:<8}  {:<24}  {}{counted}",
        text(limit, "scope"),
        text(limit, "name"),
        limit["most"].as_u64()?
    ))
}

fn queue_lines(answer: &Value) -> Vec<String> {
    let pause_of = |scope: &str, name: &str| {
        members(answer, "pauses").find(|pause| pause["scope"] == scope && pause["name"] == name)
    };
    let queue = |queue: &Value| {
        let mut line = format!(
            "{:<8}  {} waiting, {} queued, {} running on {} slots of {} workers, oldest {} s",
            text(queue, "queue"),
            queue["waiting"],
            queue["queued"],
            queue["running"],
            queue["slots"],
            queue["workers"],
            queue["oldestMs"].as_u64().unwrap_or_default() / 1_000,
        );
        if let Some(median) = queue["medianMs"].as_u64() {
            line.push_str(&format!(", median run {median} ms"));
        }
        if let Some(pause) = pause_of("queue", text(queue, "queue")) {
            line.push_str(&format!("  {}", paused(pause)));
        }
        line
    };
    let tenants = members(answer, "pauses").filter(|pause| pause["scope"] == "tenant");
    let tenant = |pause| format!("tenant {}  {}", text(pause, "name"), paused(pause));
    let broker = answer["broker"].as_object().map(|_| {
        let broker = &answer["broker"];
        let (since, detail) = (text(broker, "since"), text(broker, "detail"));
        format!("broker  AWAY since {since}: {detail}")
    });
    members(answer, "queues").map(queue).chain(tenants.map(tenant)).chain(broker).collect()
}

/// Describes a pause: since when, and by whom if that is known.
pub fn paused(pause: &Value) -> String {
    let by = pause["by"].as_str().map_or_else(String::new, |by| format!(" by {by}"));
    format!("PAUSED since {}{by}", text(pause, "since"))
}

fn worker_lines(answer: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for worker in members(answer, "workers") {
        let slots: Vec<String> = members(worker, "slots")
            .map(|entry| format!("{} {}", text(entry, "queue"), entry["slots"]))
            .collect();
        let leaving = if worker["draining"] == true { "  leaving" } else { "" };
        lines.push(format!(
            "{}  {}  {}{leaving}",
            text(worker, "id"),
            text(worker, "name"),
            slots.join(", ")
        ));
        for run in members(worker, "runs") {
            let (kind, task, since) =
                (text(run, "kind"), text(run, "task"), text(run, "startedAt"));
            lines.push(format!("  {kind}  {task}  attempt {}  since {since}", run["attempt"]));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_a_line_that_shows_a_pause_and_so_is_a_broker_that_is_away() {
        let answer = json!({
            "queues": [{
                "queue": "light", "paused": true, "waiting": 3, "queued": 1, "running": 2,
                "slots": 8, "workers": 1, "oldestMs": 61_500, "medianMs": 12,
            }],
            "pauses": [
                {"scope": "queue", "name": "light", "since": "2027-01-31T12:00:00Z", "by": null},
                {"scope": "tenant", "name": "acme", "since": "2027-01-31T12:00:05Z", "by": "ann@x"},
            ],
            "broker": {"since": "2027-01-31T12:01:00Z", "detail": "connection refused"},
        });
        let expected = [
            "light     3 waiting, 1 queued, 2 running on 8 slots of 1 workers, oldest 61 s, median \
             run 12 ms  PAUSED since 2027-01-31T12:00:00Z",
            "tenant acme  PAUSED since 2027-01-31T12:00:05Z by ann@x",
            "broker  AWAY since 2027-01-31T12:01:00Z: connection refused",
        ];
        assert_eq!(queue_lines(&answer), expected);
    }
}
