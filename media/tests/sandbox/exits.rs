//! Each way in which a media process can exit, caused on purpose.

use crate::{TestRun, is_in_use, sandbox, wait_until};
use media::protocol::{EscapeAttempt, MediaJob, Output, Progress, TestJob};
use media::sandbox::{Bounds, ProcessExit, ProcessReport, Sandbox};
use media::speech::SpokenText;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

async fn run(test_job: TestJob, change: impl FnOnce(&mut Bounds)) -> ProcessReport {
    let job = MediaJob::Test(test_job);
    let mut bounds = Bounds::of(&job);
    change(&mut bounds);
    TestRun::new().run_within(&job, bounds).await
}

/// Far below the deadline, and far above the usual milliseconds, for busy machines.
const WELL_BEFORE_THE_DEADLINE: Duration = Duration::from_secs(30);

fn spinning(progress: bool) -> TestJob {
    TestJob { spin_ms: 60_000, progress, ..TestJob::default() }
}

#[tokio::test]
async fn a_finished_job_returns_its_output() {
    let report = run(TestJob::default(), |_| {}).await;
    assert_eq!(report.exit, ProcessExit::Done(Box::new(Output::Test)), "{}", report.log);
    let confinement = report.confinement.unwrap();
    assert!(
        confinement.active.iter().any(|layer| layer == "system call filter"),
        "{confinement:?}"
    );
}

#[tokio::test]
async fn progress_reaches_the_parent_and_grows() {
    let test_run = TestRun::new();
    let job = MediaJob::Test(TestJob { spin_ms: 2_000, progress: true, ..TestJob::default() });
    let mut reported: Vec<Progress> = Vec::new();
    let report = sandbox()
        .run(&job, test_run.path(), Bounds::of(&job), &CancellationToken::new(), |progress| {
            reported.push(progress);
        })
        .await;
    assert!(matches!(report.exit, ProcessExit::Done(_)));
    assert!(reported.len() >= 2);
    assert!(reported.is_sorted_by(|one, next| one.done < next.done));
}

#[tokio::test]
async fn allocating_beyond_the_bound_is_out_of_memory() {
    let report = run(TestJob { allocate_mb: 100_000, ..TestJob::default() }, |bounds| {
        bounds.memory = 128 << 20
    })
    .await;
    assert!(matches!(report.exit, ProcessExit::OutOfMemory(_)), "{report:?}");
}

#[tokio::test]
async fn spinning_beyond_the_deadline_is_a_timeout() {
    let begun = Instant::now();
    let report = run(spinning(true), |bounds| bounds.deadline = Duration::from_millis(300)).await;
    assert!(matches!(report.exit, ProcessExit::Timeout(_)), "{report:?}");
    assert!(begun.elapsed() < WELL_BEFORE_THE_DEADLINE);
}

#[tokio::test]
async fn processor_time_without_progress_is_too_costly() {
    let report = run(spinning(false), |bounds| bounds.stall = Duration::from_millis(300)).await;
    assert!(matches!(report.exit, ProcessExit::TooCostly(_)), "{report:?}");
}

#[tokio::test]
async fn exiting_without_a_reply_is_a_crash() {
    let report = run(TestJob { exit: true, ..TestJob::default() }, |_| {}).await;
    let crash = ProcessExit::Crashed { signal: None, code: Some(3) };
    assert_eq!(report.exit, crash);
}

#[tokio::test]
async fn a_program_that_is_no_media_process_is_a_crash_with_its_log() {
    let test_run = TestRun::new();
    let sandbox = Sandbox::new("/bin/sh".into(), ["-c", "echo complaint >&2; exit 7"]).unwrap();
    let job = MediaJob::Test(TestJob::default());
    let report = sandbox
        .run(&job, test_run.path(), Bounds::of(&job), &CancellationToken::new(), |_| {})
        .await;
    let crash = ProcessExit::Crashed { signal: None, code: Some(7) };
    assert_eq!(report.exit, crash);
    assert_eq!(report.log, "complaint");
}

#[tokio::test]
async fn a_missing_program_is_reported_with_its_error_number() {
    let test_run = TestRun::new();
    let sandbox = Sandbox::new("/nowhere/at/all".into(), Vec::<String>::new()).unwrap();
    let job = MediaJob::Test(TestJob::default());
    let report = sandbox
        .run(&job, test_run.path(), Bounds::of(&job), &CancellationToken::new(), |_| {})
        .await;
    assert!(matches!(report.exit, ProcessExit::NotStarted(Some(2), _)), "{report:?}");
}

#[tokio::test]
async fn cancelling_ends_the_media_process_well_before_its_deadline() {
    let test_run = TestRun::new();
    let job = MediaJob::Test(spinning(true));
    let cancel = CancellationToken::new();
    let mut cancelled_at = None;
    let report = sandbox()
        .run(&job, test_run.path(), Bounds::of(&job), &cancel, |_| {
            cancelled_at.get_or_insert_with(Instant::now);
            cancel.cancel();
        })
        .await;
    assert_eq!(report.exit, ProcessExit::Cancelled);
    assert!(cancelled_at.unwrap().elapsed() < WELL_BEFORE_THE_DEADLINE);
}

#[tokio::test]
async fn nothing_outside_the_sandbox_can_be_reached() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = run(
        TestJob {
            escape: Some(EscapeAttempt {
                read: secret,
                write: outside.path().join("written"),
                connect: server.local_addr().unwrap(),
                execute: "/bin/true".into(),
            }),
            ..TestJob::default()
        },
        |_| {},
    )
    .await;
    let confinement = report.confinement.clone().unwrap();
    if confinement.missing.iter().any(|layer| layer.starts_with("file rules")) {
        return;
    }
    assert!(matches!(report.exit, ProcessExit::Done(_)), "{report:?}");
    assert!(!outside.path().join("written").exists());
}

#[tokio::test]
async fn a_job_that_would_write_outside_its_scratch_is_refused() {
    let test_run = TestRun::new();
    let job = MediaJob::Speech { speech: hello(), out: std::env::temp_dir().join("beside.wav") };
    let report = test_run.run(&job).await;
    assert!(matches!(report.exit, ProcessExit::Internal(_)), "{report:?}");
}

#[tokio::test]
async fn dropping_the_run_kills_the_media_process() {
    let test_run = TestRun::new();
    let job = MediaJob::Test(spinning(true));
    let cancel = CancellationToken::new();
    let (started, mut has_started) = tokio::sync::mpsc::unbounded_channel();
    let sandbox = sandbox();
    {
        let run = sandbox.run(&job, test_run.path(), Bounds::of(&job), &cancel, move |_| {
            let _ = started.send(());
        });
        tokio::select! {
            report = run => panic!("it ended by itself: {report:?}"),
            _ = has_started.recv() => {}
        }
    }
    wait_until("the media process's end", || !is_in_use(test_run.path())).await;
}

#[tokio::test]
async fn processes_that_the_media_process_started_end_with_it() {
    let test_run = TestRun::new();
    let sandbox = Sandbox::new("/bin/sh".into(), ["-c", "sleep 300 & echo >&2; wait"]).unwrap();
    let job = MediaJob::Confine;
    let bounds = Bounds { deadline: Duration::from_millis(500), ..Bounds::of(&job) };
    let report =
        sandbox.run(&job, test_run.path(), bounds, &CancellationToken::new(), |_| {}).await;
    assert!(matches!(report.exit, ProcessExit::Timeout(_)), "{report:?}");
    wait_until("the end of `sleep`", || !is_in_use(test_run.path())).await;
}

fn hello() -> SpokenText {
    SpokenText { text: "Hello".into(), voice: "en".into(), rate: 175, pitch: 50 }
}

#[tokio::test]
async fn a_file_that_outgrows_its_bound_is_too_large() {
    let test_run = TestRun::new();
    let job = MediaJob::Speech { speech: hello(), out: test_run.path().join("hello.wav") };
    let bounds = Bounds { file_size: 4096, ..Bounds::of(&job) };
    let report = test_run.run_within(&job, bounds).await;
    assert!(matches!(report.exit, ProcessExit::FileTooLarge(_)), "{report:?}");
}

#[tokio::test]
async fn processor_time_is_bounded_even_if_the_parent_sleeps() {
    let job = MediaJob::Test(spinning(true));
    let bounds = Bounds { deadline: Duration::ZERO, ..Bounds::of(&job) };
    let test_run = TestRun::new();
    let mut media_process = crate::parent::start_unsandboxed(&job, test_run.path(), bounds);
    let status = crate::parent::wait(&mut media_process).await;
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(24), "SIGXCPU");
}
