//! A media process does not outlive its parent.

use crate::{MEDIA_PROCESS, TestRun, is_in_use, sandbox, wait_until};
use media::protocol::{MediaJob, TestJob};
use media::sandbox::Bounds;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use tokio_util::sync::CancellationToken;

/// The environment variable that gives the scratch folder to the process that plays the parent.
const SCRATCH: &str = "SPOOL_TEST_SCRATCH";

fn spinning() -> MediaJob {
    MediaJob::Test(TestJob { spin_ms: 60_000, progress: true, ..TestJob::default() })
}

/// The line with which a parent sends a job.
pub(crate) fn request(job: &MediaJob, scratch: &Path, bounds: Bounds) -> serde_json::Value {
    serde_json::json!({ "job": job, "scratch": scratch, "bounds": bounds })
}

/// Starts a media process without a sandbox, and sends it its job.
pub(crate) fn start_unsandboxed(job: &MediaJob, scratch: &Path, bounds: Bounds) -> Child {
    let mut media_process = Command::new(MEDIA_PROCESS)
        .current_dir(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = request(job, scratch, bounds);
    writeln!(media_process.stdin.as_mut().unwrap(), "{request}").unwrap();
    media_process
}

pub(crate) async fn wait(media_process: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the media process's exit", || {
        status = media_process.try_wait().unwrap();
        status.is_some()
    })
    .await;
    status.unwrap()
}

#[tokio::test]
async fn a_media_process_ends_with_its_control_pipe() {
    let test_run = TestRun::new();
    let job = spinning();
    let mut media_process = start_unsandboxed(&job, test_run.path(), Bounds::of(&job));
    // The folder's owner changes when the media process has read its job and confines itself.
    let owner =
        || std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(test_run.path()).unwrap());
    let before = owner();
    if before == 0 {
        wait_until("the media process to confine itself", || owner() != before).await;
    }
    drop(media_process.stdin.take());
    let status = wait(&mut media_process).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[tokio::test]
async fn a_media_process_ends_when_its_parent_is_killed() {
    let test_run = TestRun::new();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent::the_parent_that_is_killed", "--ignored", "--nocapture"])
        .env(SCRATCH, test_run.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the media process's start", || is_in_use(test_run.path())).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the media process's end", || !is_in_use(test_run.path())).await;
}

/// Not a test by itself: the test above starts and kills it.
#[tokio::test]
#[ignore = "it is the process that another test starts and kills"]
async fn the_parent_that_is_killed() {
    let Some(scratch) = std::env::var_os(SCRATCH) else { return };
    let job = spinning();
    sandbox()
        .run(&job, Path::new(&scratch), Bounds::of(&job), &CancellationToken::new(), |_| {})
        .await;
}
