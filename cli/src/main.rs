//! The `spool` binary: reads the command line and the configuration and runs a command. The wiring
//! is in `dependencies`, each command in a file of `commands`.
#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "`output` writes, and knows closed pipes"
)]

mod args;
mod client;
mod commands;
mod config;
mod csv;
mod dependencies;
mod exit;
mod input;
mod log;
mod metrics;
mod options;
mod output;
mod output_file;
mod printable;
mod rlimits;
mod signals;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use commands::{
    batch, bench, cache, check, controls, dead, dev, get, job_list, jobs, migrate, probe, render,
    schedules, schema, serve, watch, work,
};
use config::Config;
use exit::{CommandResult, Failure};
use serde_json::json;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.command, Command::MediaProcess) {
        // Before any thread starts: the process sandboxes itself, and a thread would stay outside.
        return media::media_process::main();
    }
    log::start(level(&cli.command));
    rlimits::raise();
    let json = cli.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(cli));
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::Failed(format!("no runtime can be started: {error}"))),
    };
    finish(outcome, json)
}

/// Returns the default log level. Long-running commands report their work, the others only errors.
/// Commands that render here print their errors themselves.
fn level(command: &Command) -> &'static str {
    match command {
        Command::Dev(_) | Command::Serve(_) | Command::Work(_) | Command::Migrate => "info",
        // A damaged file of the cache is rendered again, and they say so.
        Command::Render(_) | Command::Still(_) | Command::Check(_) => {
            "error,worker::artifact_files=off"
        }
        _ => "warn",
    }
}

async fn run(cli: Cli) -> CommandResult {
    let json = cli.json;
    let long_running = level(&cli.command) == "info";
    let config = || {
        let (config, ignored) = Config::read(cli.config.as_deref())?;
        match long_running {
            true => ignored.iter().for_each(|variable| tracing::warn!("{variable}")),
            false => ignored
                .iter()
                .for_each(|variable| output::note(format_args!("warning: {variable}"))),
        }
        Ok::<_, Failure>(config)
    };
    match cli.command {
        Command::Dev(options) => dev::run(options, config()?).await,
        Command::Serve(options) => serve::run(options, config()?).await,
        Command::Work(options) => work::run(options, config()?).await,
        Command::Migrate => migrate::run(config()?, json).await,
        Command::Check(options) => check::run(options, config()?, json).await,
        Command::Submit(options) => jobs::submit(options, json).await,
        Command::Batch(options) => batch::run(options, json).await,
        Command::Get(options) => get::run(options, json).await,
        Command::Jobs(options) => job_list::run(options, json).await,
        Command::Status(options) => jobs::status(options, json).await,
        Command::Watch(options) => watch::watch(options, json).await,
        Command::Cancel(options) => jobs::cancel(options, json).await,
        Command::Retry(options) => jobs::retry(options, json).await,
        Command::Schedules(options) => schedules::run(options, json).await,
        Command::Dead(options) => dead::run(options, json).await,
        Command::Limits(options) => controls::limits(options, json).await,
        Command::Pause(options) => controls::pause(options, json).await,
        Command::Resume(options) => controls::resume(options, json).await,
        Command::Queues(server) => controls::queues(server, json).await,
        Command::Workers(server) => controls::workers(server, json).await,
        Command::Render(options) => render::run(options, config()?, json).await,
        Command::Still(options) => render::still(options, config()?, json).await,
        Command::Probe(options) => probe::run(options, json).await,
        Command::Cache(options) => cache::run(options, json).await,
        Command::Bench(options) => bench::run(options, json).await,
        Command::Schema(options) => schema::run(options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "spool", &mut script);
            output::own_text(String::from_utf8_lossy(&script).trim_end())
        }
        Command::MediaProcess => Ok(()),
    }
}

/// Reports the failure of a command, once, and converts its result to the process's exit code.
fn finish(outcome: CommandResult, json: bool) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.code();
            match failure {
                Failure::OutputClosed => {}
                _ if json => output::note(json!({"error": failure.to_string(), "exitCode": code})),
                _ => format!("spool: {failure}").lines().for_each(output::note),
            }
            ExitCode::from(code)
        }
    }
}
