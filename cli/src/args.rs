//! The command line, as clap reads it. Every command shows an example in its help.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use common::queue::Queue;

/// Text below the options in `--help`.
const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the job failed, was cancelled, or the command could not be carried out
  2  the command line is wrong
  3  the configuration is wrong, or a part it names can't be used
  4  the server can't be reached
  5  the server refused the request
  130  interrupted";

/// Makes video at scale: a queue, its workers and a render engine in one binary.
#[derive(Debug, Parser)]
#[command(name = "spool", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Cli {
    /// Prints JSON for machines instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration file; `spool.toml` in the current folder if that is there.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything in one process: API, dispatcher, workers, with all data in one folder.
    #[command(after_help = "Example:\n  spool dev --data ./spool-data --allow ./clips")]
    Dev(Dev),
    /// Serves the API and dispatches, on PostgreSQL, RabbitMQ and Redis.
    #[command(
        after_help = "Example:\n  SPOOL_DATABASE_URL=postgres://… SPOOL_AMQP_URL=amqp://… SPOOL_REDIS_URL=redis://… \\\n    SPOOL_ARTIFACTS_URL=file:///srv/spool spool serve --listen 127.0.0.1:8080"
    )]
    Serve(Serve),
    /// Takes tasks and runs them, beside any number of other workers.
    #[command(after_help = "Example:\n  spool work --queue render --slots 2")]
    Work(Work),
    /// Brings the database's schema up to date.
    #[command(after_help = "Example:\n  spool migrate")]
    Migrate,
    /// Checks the configuration and every part it names; with a file, checks a composition: its
    /// faults, or its length and how much of it is in the cache.
    #[command(after_help = "Examples:\n  spool check\n  spool check composition.json")]
    Check(Check),
    /// Posts a job: a file with `{"kind", "input"}`, or a composition to render.
    #[command(
        after_help = "Examples:\n  spool submit composition.json --watch\n  echo '{\"kind\":\"speech\",\"input\":{\"text\":\"Hello\"}}' | spool submit -"
    )]
    Submit(Submit),
    /// Posts a batch: a file with `{"jobs": […]}`, or a list of jobs.
    #[command(after_help = "Example:\n  spool batch jobs.json --watch")]
    Batch(Submit),
    /// Shows a job or a batch.
    #[command(after_help = "Example:\n  spool status 01932b6e-7f00-7abc-8def-0123456789ab")]
    Status(Id),
    /// Follows a job or a batch to its end.
    #[command(after_help = "Example:\n  spool watch 01932b6e-7f00-7abc-8def-0123456789ab")]
    Watch(Id),
    /// Cancels the unsettled work of a job or a batch.
    #[command(after_help = "Example:\n  spool cancel 01932b6e-7f00-7abc-8def-0123456789ab")]
    Cancel(Id),
    /// Runs the failed or cancelled work of a job or a batch again.
    #[command(after_help = "Example:\n  spool retry 01932b6e-7f00-7abc-8def-0123456789ab")]
    Retry(Id),
    /// Makes jobs recur: lists, makes, deletes, pauses and resumes schedules.
    #[command(
        after_help = "Example:\n  echo '{\"cron\":\"30 9 * * MON-FRI\",\"timezone\":\"Europe/Berlin\",\"job\":{\"kind\":\"video\",\"input\":{\"topic\":\"Tides\"}}}' \\\n    | spool schedules create -"
    )]
    Schedules(crate::commands::schedules::Schedules),
    /// Lists tasks that failed for good, shows every attempt of one, retries them.
    #[command(
        after_help = "Examples:\n  spool dead list --code timeout\n  spool dead retry --kind speech --class transient"
    )]
    Dead(crate::commands::dead::Dead),
    /// Lists, sets and removes limits: tasks of a tenant, a kind or a provider that may be queued or running at once.
    #[command(
        after_help = "Examples:\n  spool limits set provider text 8\n  spool limits set tenant '*' 20\n  spool limits list"
    )]
    Limits(crate::commands::controls::Limits),
    /// Pauses a queue or a tenant: nothing new of it starts, running tasks go on.
    #[command(after_help = "Examples:\n  spool pause --queue render\n  spool pause --tenant acme")]
    Pause(crate::commands::controls::Pause),
    /// Resumes a queue or a tenant.
    #[command(after_help = "Example:\n  spool resume --queue render")]
    Resume(crate::commands::controls::Pause),
    /// Shows the waiting and running tasks of each queue.
    #[command(after_help = "Example:\n  spool queues")]
    Queues(ServerArg),
    /// Shows the live workers and the tasks they run.
    #[command(after_help = "Example:\n  spool workers")]
    Workers(ServerArg),
    /// Renders a composition here, without a server; parts in the cache are not rendered again.
    #[command(after_help = "Example:\n  spool render composition.json -o out.mp4")]
    Render(Render),
    /// Makes a picture of one moment of a composition, without a server.
    #[command(after_help = "Example:\n  spool still composition.json -t 2.5 -o frame.png")]
    Still(Still),
    /// Describes a media file.
    #[command(after_help = "Example:\n  spool probe clip.mp4")]
    Probe(Probe),
    /// Shows, clears and fills a server's caches.
    #[command(after_help = "Example:\n  spool cache stats")]
    Cache(crate::commands::cache::Cache),
    /// Measures a running server under a load of echo jobs.
    #[command(after_help = "Example:\n  spool bench --jobs 20000 --batch 500")]
    Bench(crate::commands::bench::Bench),
    /// Prints completions for a shell.
    #[command(after_help = "Example:\n  spool completions bash > /etc/bash_completion.d/spool")]
    Completions { shell: clap_complete::Shell },
    /// Parses media on behalf of a worker; started by workers only.
    #[command(hide = true)]
    MediaProcess,
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub struct Dev {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// The folder for all data; created if it is missing.
    #[arg(long, default_value = "spool-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Lets sources be local files below this folder (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    #[command(flatten)]
    pub slots: SlotArgs,
}

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
}

/// Options of `work`.
#[derive(Debug, Args)]
pub struct Work {
    #[command(flatten)]
    pub slots: SlotArgs,
    /// Lets sources be local files below this folder (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    /// Serves `/health` and `/metrics` at this address.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// The queues that a worker takes tasks from, and its slots.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// Takes tasks of these queues only (repeatable); of all by default.
    #[arg(long, value_enum, value_name = "QUEUE")]
    pub queue: Vec<QueueArg>,
    /// Attempts side by side in each queue; by default the number of cores for render, 64 for
    /// generate, 16 for light.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub slots: Option<u32>,
}

/// A queue on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueArg {
    /// Work that fills a core.
    Render,
    /// Work that waits for providers.
    Generate,
    /// Short work.
    Light,
}

impl From<QueueArg> for Queue {
    fn from(queue: QueueArg) -> Self {
        match queue {
            QueueArg::Render => Self::Render,
            QueueArg::Generate => Self::Generate,
            QueueArg::Light => Self::Light,
        }
    }
}

impl SlotArgs {
    /// Returns the slots by queue.
    pub fn by_queue(&self) -> Vec<(Queue, u32)> {
        let cores = std::thread::available_parallelism()
            .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        let default = |queue| match queue {
            Queue::Render => cores,
            Queue::Generate => 64,
            Queue::Light => 16,
        };
        let wanted = |queue: &Queue| {
            self.queue.is_empty() || self.queue.iter().any(|arg| Queue::from(*arg) == *queue)
        };
        let slots = |queue| (queue, self.slots.unwrap_or_else(|| default(queue)));
        Queue::ALL.into_iter().filter(wanted).map(slots).collect()
    }
}

/// Options of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// A composition; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The server that fetches the sources and looks its cache up.
    #[command(flatten)]
    pub here: LocalArgs,
}

/// The server to ask.
#[derive(Debug, Clone, Args)]
pub struct ServerArg {
    /// The server's address.
    #[arg(long, env = "SPOOL_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: String,
}

/// Options of `submit` and `batch`.
#[derive(Debug, Args)]
pub struct Submit {
    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Follows the job or batch to its end.
    #[arg(long)]
    pub watch: bool,
    /// Sent as `Idempotency-Key`: the same key posts once.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    #[command(flatten)]
    pub server: ServerArg,
}

/// A job or a batch on a server.
#[derive(Debug, Args)]
pub struct Id {
    /// The id of a job or a batch.
    #[arg(value_name = "ID", value_parser = parse_id)]
    pub id: uuid::Uuid,
    #[command(flatten)]
    pub server: ServerArg,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// The composition; `-` reads it from standard input.
    #[arg(value_name = "COMP")]
    pub file: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub here: LocalArgs,
}

/// Options of `still`.
#[derive(Debug, Args)]
pub struct Still {
    /// The composition; `-` reads it from standard input.
    #[arg(value_name = "COMP")]
    pub file: PathBuf,
    /// The time in the composition, in seconds.
    #[arg(short = 't', long = "time", default_value = "0", value_name = "SECONDS", value_parser = parse_seconds)]
    pub time: serde_json::Number,
    /// The picture to write; its extension decides the format: png, jpg or webp.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    #[command(flatten)]
    pub here: LocalArgs,
}

/// Options of commands that work here, without a server.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// The folder for rendered parts between runs; by default `spool` in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Lets sources be local files below this folder, besides the composition's own (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    /// Segments rendered side by side; by default the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub slots: Option<u32>,
    /// Values for merge fields: `NAME=VALUE` (repeatable).
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_merge)]
    pub merge: Vec<(String, String)>,
}

/// Options of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

fn parse_id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| {
        "give the id that posting it answered, such as 01932b6e-7f00-7abc-8def-0123456789ab"
            .to_owned()
    })
}

/// Keeps the text as it was given, so that the number stays exact.
fn parse_seconds(text: &str) -> Result<serde_json::Number, String> {
    serde_json::from_str(text).map_err(|_| "give seconds, such as 2.5".to_owned())
}

fn parse_merge(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, such as TITLE=Hello")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_shows_an_example() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }

    #[test]
    fn slots_follow_the_classes_asked_for() {
        let slots = SlotArgs { queue: vec![QueueArg::Light], slots: Some(3) };
        assert_eq!(slots.by_queue(), [(Queue::Light, 3)]);
    }
}
