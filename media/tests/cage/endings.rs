//! Each way to end, brought about on purpose.

use crate::{Room, cage, is_inhabited, wait_until};
use media::cage::{Bounds, Cage, Ended, Ending};
use media::child::{ChildJob, Echo, Escape, Output, Progress};
use media::speech::SpokenText;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

async fn run(echo: Echo, bend: impl FnOnce(&mut Bounds)) -> Ended {
    let job = ChildJob::Echo(echo);
    let mut bounds = Bounds::of(&job);
    bend(&mut bounds);
    Room::new().run_within(&job, bounds).await
}

/// A busy machine takes its time for what is a matter of milliseconds.
const LONG_BEFORE_ITS_END: Duration = Duration::from_secs(30);

fn spinning(progress: bool) -> Echo {
    Echo { spin_ms: 60_000, progress, ..Echo::default() }
}

#[tokio::test]
async fn a_job_that_is_done_gives_its_output() {
    let ended = run(Echo::default(), |_| {}).await;
    assert_eq!(ended.ending, Ending::Done(Box::new(Output::Echo)), "{}", ended.log);
    let seal = ended.seal.unwrap();
    assert!(seal.held.iter().any(|layer| layer == "system call filter"), "{seal:?}");
}

#[tokio::test]
async fn progress_reaches_the_parent_and_grows() {
    let room = Room::new();
    let job = ChildJob::Echo(Echo { spin_ms: 2_000, progress: true, ..Echo::default() });
    let mut heard: Vec<Progress> = Vec::new();
    let ended = cage()
        .run(&job, room.path(), Bounds::of(&job), &CancellationToken::new(), |progress| {
            heard.push(progress);
        })
        .await;
    assert!(matches!(ended.ending, Ending::Done(_)));
    assert!(heard.len() >= 2);
    assert!(heard.is_sorted_by(|one, next| one.done < next.done));
}

#[tokio::test]
async fn allocating_beyond_the_bound_is_out_of_memory() {
    let ended =
        run(Echo { allocate_mb: 100_000, ..Echo::default() }, |bounds| bounds.memory = 128 << 20)
            .await;
    assert!(matches!(ended.ending, Ending::OutOfMemory(_)), "{ended:?}");
}

#[tokio::test]
async fn spinning_beyond_the_deadline_is_a_timeout() {
    let begun = Instant::now();
    let ended = run(spinning(true), |bounds| bounds.deadline = Duration::from_millis(300)).await;
    assert!(matches!(ended.ending, Ending::Timeout(_)), "{ended:?}");
    assert!(begun.elapsed() < LONG_BEFORE_ITS_END);
}

#[tokio::test]
async fn progress_that_stops_is_a_stall() {
    let ended = run(spinning(false), |bounds| bounds.stall = Duration::from_millis(300)).await;
    assert!(matches!(ended.ending, Ending::Stalled(_)), "{ended:?}");
}

#[tokio::test]
async fn exiting_without_an_answer_is_a_crash() {
    let ended = run(Echo { exit: true, ..Echo::default() }, |_| {}).await;
    let crash = Ending::Crashed { signal: None, code: Some(3) };
    assert_eq!(ended.ending, crash);
}

#[tokio::test]
async fn a_program_that_is_no_child_is_a_crash_with_its_log() {
    let room = Room::new();
    let cage = Cage::new("/bin/sh".into(), ["-c", "echo complaint >&2; exit 7"]).unwrap();
    let job = ChildJob::Echo(Echo::default());
    let ended =
        cage.run(&job, room.path(), Bounds::of(&job), &CancellationToken::new(), |_| {}).await;
    let crash = Ending::Crashed { signal: None, code: Some(7) };
    assert_eq!(ended.ending, crash);
    assert_eq!(ended.log, "complaint");
}

#[tokio::test]
async fn a_missing_program_is_a_fault() {
    let room = Room::new();
    let cage = Cage::new("/nowhere/at/all".into(), Vec::<String>::new()).unwrap();
    let job = ChildJob::Echo(Echo::default());
    let ended =
        cage.run(&job, room.path(), Bounds::of(&job), &CancellationToken::new(), |_| {}).await;
    assert!(matches!(ended.ending, Ending::Fault(_)), "{ended:?}");
}

#[tokio::test]
async fn cancelling_ends_the_child_long_before_its_end() {
    let room = Room::new();
    let job = ChildJob::Echo(spinning(true));
    let cancel = CancellationToken::new();
    let mut cancelled_at = None;
    let ended = cage()
        .run(&job, room.path(), Bounds::of(&job), &cancel, |_| {
            cancelled_at.get_or_insert_with(Instant::now);
            cancel.cancel();
        })
        .await;
    assert_eq!(ended.ending, Ending::Cancelled);
    assert!(cancelled_at.unwrap().elapsed() < LONG_BEFORE_ITS_END);
}

#[tokio::test]
async fn nothing_beyond_the_cage_can_be_reached() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = run(
        Echo {
            escape: Some(Escape {
                read: secret,
                write: outside.path().join("written"),
                connect: server.local_addr().unwrap(),
                execute: "/bin/true".into(),
            }),
            ..Echo::default()
        },
        |_| {},
    )
    .await;
    let seal = ended.seal.clone().unwrap();
    if seal.missing.iter().any(|layer| layer.starts_with("file rules")) {
        return;
    }
    assert!(matches!(ended.ending, Ending::Done(_)), "{ended:?}");
    assert!(!outside.path().join("written").exists());
}

#[tokio::test]
async fn a_job_that_would_write_outside_its_scratch_is_refused() {
    let room = Room::new();
    let job = ChildJob::Speech { speech: hello(), out: std::env::temp_dir().join("beside.wav") };
    let ended = room.run(&job).await;
    assert!(matches!(ended.ending, Ending::Fault(_)), "{ended:?}");
}

#[tokio::test]
async fn dropping_the_run_kills_the_child() {
    let room = Room::new();
    let job = ChildJob::Echo(spinning(true));
    let cancel = CancellationToken::new();
    let (started, mut has_started) = tokio::sync::mpsc::unbounded_channel();
    let cage = cage();
    {
        let run = cage.run(&job, room.path(), Bounds::of(&job), &cancel, move |_| {
            let _ = started.send(());
        });
        tokio::select! {
            ended = run => panic!("it ended by itself: {ended:?}"),
            _ = has_started.recv() => {}
        }
    }
    wait_until("the child's end", || !is_inhabited(room.path())).await;
}

fn hello() -> SpokenText {
    SpokenText { text: "Hello".into(), voice: "en".into(), rate: 175, pitch: 50 }
}

#[tokio::test]
async fn a_file_that_outgrows_its_bound_is_out_of_space() {
    let room = Room::new();
    let job = ChildJob::Speech { speech: hello(), out: room.path().join("hello.wav") };
    let bounds = Bounds { file_size: 4096, ..Bounds::of(&job) };
    let ended = room.run_within(&job, bounds).await;
    assert!(matches!(ended.ending, Ending::OutOfSpace(_)), "{ended:?}");
}

#[tokio::test]
async fn processor_time_is_bounded_where_the_parent_sleeps() {
    let job = ChildJob::Echo(spinning(true));
    let bounds = Bounds { deadline: Duration::ZERO, ..Bounds::of(&job) };
    let room = Room::new();
    let mut child = crate::parent::start_by_hand(&job, room.path(), bounds);
    let status = crate::parent::wait(&mut child).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(24), "SIGXCPU");
}
