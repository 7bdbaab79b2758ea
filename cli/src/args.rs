//! The command line, as clap reads it. Every command shows an example in its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        batch, bench, cache, check, controls, dead, dev, get, job_list, jobs, probe, render,
        schedules, schema, serve, work,
    },
    options::{IdArg, ServerArg},
};

/// Text below the options in `--help`.
const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the job failed, was cancelled, or the command could not be carried out
  2  the command line is wrong
  3  the configuration is wrong, or a part it names can't be used
  4  the server can't be reached
  5  the server refused the request
  130  interrupted
  141  the reader of standard output closed it";

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
    Dev(dev::Dev),
    /// Serves the API and dispatches, on PostgreSQL, RabbitMQ and Redis.
    #[command(after_help = "Example:\n  SPOOL_DATABASE_URL=postgres://… SPOOL_AMQP_URL=amqp://… \
                      SPOOL_REDIS_URL=redis://… \\\n    SPOOL_ARTIFACTS_URL=file:///srv/spool \
                      spool serve --listen 127.0.0.1:8080")]
    Serve(serve::Serve),
    /// Takes tasks and runs them, beside any number of other workers.
    #[command(after_help = "Example:\n  spool work --queue render --slots 2")]
    Work(work::Work),
    /// Brings the database's schema up to date.
    #[command(after_help = "Example:\n  spool migrate")]
    Migrate,
    /// Checks the configuration and every part it names; with a file, checks a composition: its
    /// faults, or its length and how much of it is in the cache.
    #[command(after_help = "Examples:\n  spool check\n  spool check composition.json")]
    Check(check::Check),
    /// Posts a job: a file with `{"kind", "input"}`, or a composition to render.
    #[command(after_help = "Examples:\n  spool submit composition.json --watch\n  \
                      spool submit composition.json -o video.mp4\n  \
                      echo '{\"kind\":\"speech\",\"input\":{\"text\":\"Hello\"}}' | \
                      spool submit - -o hello.wav")]
    Submit(jobs::Submit),
    /// Posts a batch: a file with `{"jobs": […]}`, a list of jobs, or a composition and a table
    /// with a row for each video. With the id of a batch: shows it, with the reason of each
    /// rejected item.
    #[command(after_help = "Examples:\n  spool batch jobs.json --watch\n  \
                      spool batch template.json --csv people.csv -o videos\n  \
                      spool batch 01932b6e-7f00-7abc-8def-0123456789ab")]
    Batch(batch::Batch),
    /// Saves the file of a job's result, or those of a batch, once it is finished.
    #[command(after_help = "Example:\n  \
                      spool get 01932b6e-7f00-7abc-8def-0123456789ab -o video.mp4")]
    Get(get::Get),
    /// Lists jobs, newest first.
    #[command(after_help = "Examples:\n  spool jobs\n  spool jobs --status failed --kind render")]
    Jobs(job_list::Jobs),
    /// Shows a job or a batch.
    #[command(after_help = "Example:\n  spool status 01932b6e-7f00-7abc-8def-0123456789ab")]
    Status(IdArg),
    /// Follows a job or a batch to its end.
    #[command(after_help = "Example:\n  spool watch 01932b6e-7f00-7abc-8def-0123456789ab")]
    Watch(IdArg),
    /// Cancels the unsettled work of a job or a batch.
    #[command(after_help = "Example:\n  spool cancel 01932b6e-7f00-7abc-8def-0123456789ab")]
    Cancel(IdArg),
    /// Runs the failed or cancelled work of a job or a batch again.
    #[command(after_help = "Example:\n  spool retry 01932b6e-7f00-7abc-8def-0123456789ab")]
    Retry(IdArg),
    /// Makes jobs recur: lists, makes, deletes, pauses and resumes schedules.
    #[command(after_help = "Example:\n  echo '{\"cron\":\"30 9 * * MON-FRI\",\
                      \"timezone\":\"Europe/Berlin\",\
                      \"job\":{\"kind\":\"video\",\"input\":{\"topic\":\"Tides\"}}}' \\\n    \
                      | spool schedules create -")]
    Schedules(schedules::Schedules),
    /// Lists tasks that failed for good, shows every attempt of one, retries them.
    #[command(after_help = "Examples:\n  spool dead list --code timeout\n  \
                      spool dead retry --kind speech --class transient")]
    Dead(dead::Dead),
    /// Lists, sets and removes limits: tasks of a tenant, a kind or a provider that may be queued
    /// or running at once.
    #[command(after_help = "Examples:\n  spool limits set provider text 8\n  \
                      spool limits set tenant '*' 20\n  spool limits list")]
    Limits(controls::Limits),
    /// Pauses a queue or a tenant: nothing new of it starts, running tasks go on.
    #[command(after_help = "Examples:\n  spool pause --queue render\n  spool pause --tenant acme")]
    Pause(controls::NamedPause),
    /// Resumes a queue or a tenant.
    #[command(after_help = "Example:\n  spool resume --queue render")]
    Resume(controls::Pause),
    /// Shows the waiting and running tasks of each queue.
    #[command(after_help = "Example:\n  spool queues")]
    Queues(ServerArg),
    /// Shows the live workers and the tasks they run.
    #[command(after_help = "Example:\n  spool workers")]
    Workers(ServerArg),
    /// Renders a composition here, without a server; parts in the cache are not rendered again.
    #[command(after_help = "Example:\n  spool render composition.json -o out.mp4")]
    Render(render::Render),
    /// Makes a picture of one moment of a composition, without a server.
    #[command(after_help = "Example:\n  spool still composition.json -t 2.5 -o frame.png")]
    Still(render::Still),
    /// Describes a media file.
    #[command(after_help = "Example:\n  spool probe clip.mp4")]
    Probe(probe::Probe),
    /// Shows, clears and fills a server's caches.
    #[command(after_help = "Example:\n  spool cache stats")]
    Cache(cache::Cache),
    /// Measures a running server under a load of echo jobs.
    #[command(after_help = "Example:\n  spool bench --jobs 20000 --batch 500")]
    Bench(bench::Bench),
    /// Prints the JSON Schema of a kind's input, for editors and forms; of `render` it is that of a
    /// composition.
    #[command(after_help = "Example:\n  spool schema render > composition.schema.json")]
    Schema(schema::Schema),
    /// Prints completions for a shell.
    #[command(after_help = "Example:\n  spool completions bash > /etc/bash_completion.d/spool")]
    Completions { shell: clap_complete::Shell },
    /// Parses media on behalf of a worker; started by workers only.
    #[command(hide = true)]
    MediaProcess,
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
}
