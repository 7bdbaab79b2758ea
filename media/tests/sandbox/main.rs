//! Every job and every input ends in exactly one report, and soon.
#![allow(clippy::unwrap_used, missing_docs)]

mod attacks;
mod exits;
mod hostile;
mod jobs;
mod native;
mod parent;

use media::protocol::MediaJob;
use media::sandbox::{Bounds, ProcessReport, Sandbox, Scratch};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const MEDIA_PROCESS: &str = env!("CARGO_BIN_EXE_media-process-for-tests");

fn sandbox() -> Sandbox {
    Sandbox::new(MEDIA_PROCESS.into(), Vec::<String>::new()).unwrap()
}

/// A scratch folder below a root that only its owner may enter, as operators' folders often are.
struct TestRun {
    _root: tempfile::TempDir,
    scratch: Scratch,
}

impl TestRun {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(root.path()).unwrap();
        Self { _root: root, scratch }
    }

    fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs a job with the bounds derived from it.
    async fn run(&self, job: &MediaJob) -> ProcessReport {
        self.run_within(job, Bounds::of(job)).await
    }

    async fn run_within(&self, job: &MediaJob, bounds: Bounds) -> ProcessReport {
        sandbox().run(job, self.path(), bounds, &CancellationToken::new(), |_| {}).await
    }
}

/// Returns whether a process has `folder` as its working directory, as a media process has its
/// scratch folder.
fn is_in_use(folder: &Path) -> bool {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path().join("cwd")).ok())
        .any(|cwd| cwd == folder)
}

/// Waits until a condition holds, or fails with its name.
async fn wait_until(condition: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for: {condition}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
