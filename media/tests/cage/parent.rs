//! A child does not outlive its parent, however that ends.

use crate::{CHILD, Room, cage, is_inhabited, wait_until};
use media::cage::Bounds;
use media::child::{ChildJob, Echo};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use tokio_util::sync::CancellationToken;

/// Names the scratch folder to the process that plays the parent.
const SCRATCH: &str = "SPOOL_TEST_SCRATCH";

fn spinning() -> ChildJob {
    ChildJob::Echo(Echo { spin_ms: 60_000, progress: true, ..Echo::default() })
}

/// Starts a child without a cage, and tells it its job.
pub(crate) fn start_by_hand(job: &ChildJob, scratch: &Path, bounds: Bounds) -> Child {
    let mut child = Command::new(CHILD)
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
    let room = Room::new();
    let job = spinning();
    let mut child = start_by_hand(&job, room.path(), Bounds::of(&job));
    // It changes hands when the child has read its job and seals itself.
    let owner = || std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(room.path()).unwrap());
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
    let room = Room::new();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent::the_parent_that_is_killed", "--ignored", "--nocapture"])
        .env(SCRATCH, room.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the child's start", || is_inhabited(room.path())).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the child's end", || !is_inhabited(room.path())).await;
}

/// Not a test: what the test above starts and kills.
#[tokio::test]
#[ignore = "it is the process that another test starts and kills"]
async fn the_parent_that_is_killed() {
    let Some(scratch) = std::env::var_os(SCRATCH) else { return };
    let job = spinning();
    cage()
        .run(&job, Path::new(&scratch), Bounds::of(&job), &CancellationToken::new(), |_| {})
        .await;
}
