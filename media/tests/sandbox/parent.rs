//! A media process does not outlive its parent.

use crate::{MEDIA_PROCESS, TestRun, is_inhabited, sandbox, wait_until};
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

/// Starts a media process without a sandbox, and sends it its job.
pub(crate) fn start_by_hand(job: &MediaJob, scratch: &Path, bounds: Bounds) -> Child {
    let mut child = Command::new(MEDIA_PROCESS)
        .current_dir(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = serde_json::json!({ "job": job, "scratch": scratch, "bounds": bounds });
    writeln!(child.stdin.as_mut().unwrap(), "{request}").unwrap();
    child
}

pub(crate) async fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("the child's exit", || {
        status = child.try_wait().unwrap();
        status.is_some()
    })
    .await;
    status.unwrap()
}

#[tokio::test]
async fn a_child_ends_when_its_control_pipe_does() {
    let test_run = TestRun::new();
    let job = spinning();
    let mut child = start_by_hand(&job, test_run.path(), Bounds::of(&job));
    // The folder's owner changes when the media process has read its job and confines itself.
    let owner =
        || std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(test_run.path()).unwrap());
    let before = owner();
    if before == 0 {
        wait_until("the child to seal itself", || owner() != before).await;
    }
    drop(child.stdin.take());
    let status = wait(&mut child).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[tokio::test]
async fn a_child_ends_when_its_parent_is_killed() {
    let test_run = TestRun::new();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent::the_parent_that_is_killed", "--ignored", "--nocapture"])
        .env(SCRATCH, test_run.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the child's start", || is_inhabited(test_run.path())).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the child's end", || !is_inhabited(test_run.path())).await;
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
