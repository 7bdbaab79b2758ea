//! Attacks of a decoder that was taken over, tried from inside a confined media process.

use crate::native::compile;
use crate::parent::request;
use crate::{MEDIA_PROCESS, TestRun, wait_until};
use media::protocol::{MediaJob, TestJob};
use media::sandbox::{Bounds, ProcessExit, Sandbox, SandboxPolicy, Scratch};
use rustix::process::{Resource, getrlimit, getuid};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio_util::sync::CancellationToken;

/// A user that is neither root nor nobody.
const ORDINARY: u32 = 1777;

/// The files of an attack: a stored artifact with a further name in the scratch folder, one of the
/// user's files, and an input.
struct Targets {
    folder: tempfile::TempDir,
    scratch: Scratch,
}

impl Targets {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(&folder.path().join("scratch")).unwrap();
        let targets = Self { folder, scratch };
        fs::write(targets.stored(), "artifact").unwrap();
        fs::set_permissions(targets.stored(), Permissions::from_mode(0o444)).unwrap();
        fs::hard_link(targets.stored(), targets.linked()).unwrap();
        fs::write(targets.victim(), "victim").unwrap();
        fs::write(targets.input(), "input").unwrap();
        targets
    }

    fn stored(&self) -> PathBuf {
        self.folder.path().join("stored")
    }

    fn victim(&self) -> PathBuf {
        self.folder.path().join("victim")
    }

    fn linked(&self) -> PathBuf {
        self.scratch.path().join("linked-artifact")
    }

    fn input(&self) -> PathBuf {
        self.scratch.inputs().join("input")
    }

    /// Content, mode and time of each file.
    fn state(&self) -> Vec<(String, u32, i64, i64)> {
        [self.stored(), self.victim(), self.input()]
            .map(|file| {
                let meta = fs::metadata(&file).unwrap();
                let content = fs::read_to_string(&file).unwrap();
                (content, meta.mode(), meta.mtime(), meta.mtime_nsec())
            })
            .into()
    }

    /// Gives all files to an ordinary user.
    fn give_away(&self) {
        let give = |path: &Path| chown(path, Some(ORDINARY), Some(ORDINARY)).unwrap();
        let run = self.scratch.inputs().parent().unwrap();
        let folders = [self.folder.path(), run.parent().unwrap(), run];
        folders.into_iter().for_each(give);
        [self.scratch.path(), self.scratch.inputs()].into_iter().for_each(give);
        [self.stored(), self.victim(), self.input()].iter().for_each(|file| give(file));
    }

    /// Runs the attacks in a media process and returns its log.
    fn attacked(&self, mut media_process: Command) -> String {
        let library = self.folder.path().join("attacks.so");
        compile("attacks", &["-shared", "-fPIC"], &library);
        let job = MediaJob::Test(TestJob { signal: true, ..TestJob::default() });
        let mut media_process = media_process
            .current_dir(self.scratch.path())
            .env("LD_PRELOAD", library)
            .env("VICTIM", self.victim())
            .env("INPUT", self.input())
            .env("ARTIFACT", self.linked())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Open until the end: the media process ends with it.
        let mut control = media_process.stdin.take().unwrap();
        writeln!(control, "{}", request(&job, self.scratch.path(), Bounds::of(&job))).unwrap();
        let output = media_process.wait_with_output().unwrap();
        let replies = String::from_utf8_lossy(&output.stdout);
        assert!(replies.contains(r#"{"done":"#), "{replies} {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn assert_held(targets: &Targets, media_process: Command) {
    let (before, handles) = (targets.state(), getrlimit(Resource::Nofile));
    let log = targets.attacked(media_process);
    assert_eq!(log, "ATTACKED\n");
    assert_eq!(targets.state(), before);
    assert_eq!(getrlimit(Resource::Nofile), handles);
}

#[test]
fn no_attack_on_files_processes_and_the_kernel_succeeds() {
    assert_held(&Targets::new(), Command::new(MEDIA_PROCESS));
}

/// As root is another user inside, the test above shows less there.
#[test]
fn no_attack_of_an_ordinary_user_succeeds_on_the_users_own_files() {
    if !getuid().is_root() {
        return;
    }
    let targets = Targets::new();
    targets.give_away();
    // The folder of the build may be closed to others.
    let program = targets.folder.path().join("media-process");
    fs::copy(MEDIA_PROCESS, &program).unwrap();
    let mut media_process = Command::new(program);
    media_process.uid(ORDINARY).gid(ORDINARY);
    assert_held(&targets, media_process);
}

#[tokio::test]
async fn inherited_descriptors_are_closed() {
    let test_run = TestRun::new();
    let job = MediaJob::Test(TestJob { spin_ms: 60_000, ..TestJob::default() });
    let mut media_process = Command::new("/bin/sh")
        .args(["-c", "exec 9< /etc/passwd; exec \"$0\"", MEDIA_PROCESS])
        .current_dir(test_run.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = request(&job, test_run.path(), Bounds::of(&job));
    writeln!(media_process.stdin.as_mut().unwrap(), "{request}").unwrap();
    let process = PathBuf::from(format!("/proc/{}", media_process.id()));
    // Its name changes when it has read its job.
    wait_until("the media process to read its job", || {
        fs::read_to_string(process.join("comm")).unwrap() == "spool echo\n"
    })
    .await;
    let open: Vec<PathBuf> = fs::read_dir(process.join("fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    media_process.kill().unwrap();
    media_process.wait().unwrap();
    assert!(!open.contains(&PathBuf::from("/etc/passwd")), "{open:?}");
}

#[tokio::test]
async fn a_required_sandbox_refuses_to_work_on_a_kernel_without_landlock() {
    let root = tempfile::tempdir().unwrap();
    let old_kernel = root.path().join("without-landlock");
    compile("without_landlock", &[], &old_kernel);
    let sandbox =
        |policy| Sandbox::new(old_kernel.clone(), [MEDIA_PROCESS]).unwrap().with_policy(policy);
    let test_run = TestRun::new();
    let (job, cancel) = (MediaJob::Confine, CancellationToken::new());
    let report = sandbox(SandboxPolicy::Prefer)
        .run(&job, test_run.path(), Bounds::of(&job), &cancel, |_| {})
        .await;
    assert!(matches!(report.exit, ProcessExit::Done(_)), "{report:?}");
    let refused = sandbox(SandboxPolicy::Require).check(&root.path().join("scratch")).await;
    let sentence = refused.unwrap_err();
    assert!(
        sentence.contains("file rules: this kernel has no Landlock")
            && sentence.contains("set `sandbox` to \"prefer\""),
        "{sentence}"
    );
}
