//! `probe`: describes a media file, in a media process as a worker would, without a server.

use std::path::PathBuf;

use clap::Args;
use composition::plan::SourceHash;
use media::{
    protocol::{MediaJob, Output},
    sandbox::{Bounds, ProcessExit, Sandbox, Scratch, user_root},
};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::{CommandResult, Failure},
    input::full_path,
    output,
};

/// Options of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Probes a file.
pub async fn run(options: Probe, json: bool) -> CommandResult {
    let shown = full_path(&options.file);
    let failed = |error: std::io::Error| Failure::Failed(format!("{shown}: {error}"));
    let source = options.file.canonicalize().map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(&source).map_err(failed)?).map_err(failed)?;
    let hash = SourceHash(hasher.finalize().to_hex().to_string());
    let no_folder = |error| Failure::Failed(format!("no scratch folder can be made: {error}"));
    let scratch = user_root().and_then(|root| Scratch::create(&root)).map_err(no_folder)?;
    // The media process does not see the name, as in a worker: libav would trust its extension
    // before it reads the content.
    let link = scratch.inputs().join(&hash.0);
    std::os::unix::fs::symlink(&source, &link).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let sandbox = Sandbox::new(program, [worker::MEDIA_PROCESS_ARGUMENT]).map_err(failed)?;
    let job = MediaJob::Probe { source: link, hash: hash.clone() };
    let report = sandbox
        .run(&job, scratch.path(), Bounds::of(&job), &CancellationToken::new(), |_| ())
        .await;
    match report.exit {
        ProcessExit::Done(output) => match *output {
            Output::Probe(facts) => print(&facts, json),
            _ => Err(Failure::Failed("the media process sent another job's output".into())),
        },
        failed => {
            let sentence = failed.sentence().replace(&hash.0, &shown);
            Err(Failure::Failed(with_name(&shown, sentence)))
        }
    }
}

/// Adds the file's name to errors about the file, and leaves errors about the process as they are.
fn with_name(file: &str, sentence: String) -> String {
    if sentence.contains(file) { sentence } else { format!("{file}: {sentence}") }
}

fn print(facts: &composition::plan::Facts, json: bool) -> CommandResult {
    let text =
        if json { serde_json::to_string(facts) } else { serde_json::to_string_pretty(facts) };
    output::lines(text.map_err(|error| Failure::Failed(error.to_string()))?.lines())
}
