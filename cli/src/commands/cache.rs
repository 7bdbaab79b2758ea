//! `cache`: shows, clears and fills a server's caches.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{summary, watch};
use crate::{
    client::{Client, JobOrBatch, given_pairs, with_query},
    exit::CommandResult,
    options::ServerArg,
    output,
};

/// Options of `cache`.
#[derive(Debug, Args)]
pub struct Cache {
    #[command(subcommand)]
    pub action: CacheAction,
    #[command(flatten)]
    pub server: ServerArg,
}

#[derive(Debug, Subcommand)]
pub enum CacheAction {
    /// Shows hits, misses, sizes and rates, by level and namespace, or kind.
    #[command(after_help = "Examples:\n  spool cache stats\n  \
                      spool cache stats --server http://127.0.0.1:9091     # a worker's, at its \
                      --listen")]
    Stats,
    /// Clears values by tag or namespace, in every process within a second.
    #[command(after_help = "Examples:\n  spool cache clear --tag provider:openai\n  \
                      spool cache clear --tag 'host:*.example.com'\n  \
                      spool cache clear --namespace metadata")]
    Clear {
        /// A tag, such as `provider:openai`, `kind:script` or `host:example.com`; or a pattern:
        /// `*`, `provider:*`, `kind:*`, `host:*`, `host:*.example.com`.
        #[arg(long, value_name = "TAG", required_unless_present = "namespace")]
        tag: Option<String>,
        /// `text`, `media`, `metadata` or `outside`.
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
    },
    /// Fetches sources before they are needed, at the lowest priority.
    #[command(
        after_help = "Example:\n  spool cache warm https://example.com/intro.mp4 music.mp3 --watch"
    )]
    Warm {
        /// URLs, or paths as in a job.
        #[arg(required = true, value_name = "SRC")]
        sources: Vec<String>,
        /// Follows the fetches to their end.
        #[arg(long)]
        watch: bool,
    },
}

/// Runs the command.
pub async fn run(options: Cache, json: bool) -> CommandResult {
    let client = Client::new(&options.server.server)?;
    match options.action {
        CacheAction::Stats => stats(&client, json).await,
        CacheAction::Clear { tag, namespace } => clear(&client, tag, namespace, json).await,
        CacheAction::Warm { sources, watch } => warm(&client, &sources, watch, json).await,
    }
}

async fn stats(client: &Client, json: bool) -> CommandResult {
    let report = client.get("/v1/admin/cache").await?;
    if json {
        return output::line(report);
    }
    output::line(format_args!(
        "{:<12} {:<6} {:>10} {:>10} {:>7} {:>9} {:>12}",
        "namespace", "level", "hits", "misses", "rate", "entries", "bytes"
    ))?;
    row("(total)", "l1", &report["total"]["l1"], &report["total"])?;
    row("(total)", "l2", &report["total"]["l2"], &Value::Null)?;
    for namespace in report["namespaces"].as_array().into_iter().flatten() {
        let name = namespace["namespace"].as_str().unwrap_or_default();
        row(name, "l1", &namespace["l1"], namespace)?;
        row(name, "l2", &namespace["l2"], &Value::Null)?;
    }
    for memo in report["memos"].as_array().into_iter().flatten() {
        row(memo["kind"].as_str().unwrap_or_default(), "l3", &memo["l3"], &Value::Null)?;
    }
    row("(all)", "view_cache", &report["shared"]["reads"], &report["shared"])?;
    row("(files)", "disk", &report["disk"]["reads"], &report["disk"])
}

/// Prints a row of the table, or nothing if the server has no such level.
fn row(name: &str, level: &str, reads: &Value, held: &Value) -> CommandResult {
    if reads.is_null() && held.is_null() {
        return Ok(());
    }
    let number =
        |value: &Value| value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string());
    let rate = reads["rate"]
        .as_f64()
        .map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    output::line(format_args!(
        "{name:<12} {level:<6} {:>10} {:>10} {rate:>7} {:>9} {:>12}",
        number(&reads["hits"]),
        number(&reads["misses"]),
        number(&held["entries"]),
        number(&held["bytes"])
    ))
}

async fn clear(
    client: &Client,
    tag: Option<String>,
    namespace: Option<String>,
    json: bool,
) -> CommandResult {
    let given = [("tag", tag.as_deref()), ("namespace", namespace.as_deref())];
    let cleared = client.delete(&with_query("/v1/admin/cache", &given_pairs(&given))).await?;
    if json {
        return output::line(cleared);
    }
    let tags: Vec<&str> =
        cleared["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    output::line(format_args!(
        "cleared {}: {} values here, and in every process within a second",
        tags.join(", "),
        cleared["entries"]
    ))
}

async fn warm(client: &Client, sources: &[String], follow: bool, json: bool) -> CommandResult {
    let posted = client.post("/v1/admin/cache/warm", &json!({"sources": sources}), None).await?;
    if follow {
        return watch::follow(
            client,
            JobOrBatch::Batch,
            posted["id"].as_str().unwrap_or_default(),
            json,
        )
        .await;
    }
    summary::show(&posted, json)
}
