//! Hostile files: playlists with other names, and damage of every kind.

use crate::{TestRun, sandbox};
use composition::plan::{Rgba, SourceHash};
use media::protocol::{MediaJob, Output};
use media::sandbox::{Bounds, ProcessExit, ProcessReport, Sandbox};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use tokio_util::sync::CancellationToken;

fn probe_job(source: &Path) -> MediaJob {
    MediaJob::Probe { source: source.to_owned(), hash: SourceHash("00".into()) }
}

async fn probe(sandbox: &Sandbox, test_run: &TestRun, source: &Path) -> ProcessReport {
    let job = probe_job(source);
    sandbox.run(&job, test_run.path(), Bounds::of(&job), &CancellationToken::new(), |_| {}).await
}

#[tokio::test]
async fn playlists_named_as_videos_open_nothing() {
    let test_run = TestRun::new();
    let (secret, _) = test_run.speech("secret.wav").await;
    let secret = secret.display();
    for playlist in [
        format!("ffconcat version 1.0\nfile '{secret}'\n"),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n"),
    ] {
        let video = test_run.path().join("film.mp4");
        std::fs::write(&video, playlist).unwrap();
        let report = probe(&sandbox(), &test_run, &video).await;
        assert!(matches!(report.exit, ProcessExit::BadInput(_)), "{report:?}");
    }
}

#[tokio::test]
async fn text_empty_files_and_half_a_video_are_bad_input() {
    let test_run = TestRun::new();
    let video = std::fs::read(test_run.video("film.mp4", 20, Rgba::WHITE).await).unwrap();
    for bytes in [b"".as_slice(), b"not a film\n", &video[..video.len() / 2]] {
        let path = test_run.path().join("bad.mp4");
        std::fs::write(&path, bytes).unwrap();
        let report = probe(&sandbox(), &test_run, &path).await;
        assert!(matches!(report.exit, ProcessExit::BadInput(_)), "{report:?}");
        assert!(report.exit.sentence().contains("bad.mp4"), "{}", report.exit.sentence());
    }
}

/// Variants of each kind of file: in every run, and in a long run.
const VARIANTS: u64 = 60;
const FEW_VARIANTS: u64 = 12;
const MANY_VARIANTS: u64 = 500;

/// A listener to which no one may connect.
struct SilentListener(std::net::TcpListener);

impl SilentListener {
    fn new() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn was_not_contacted(&self) -> bool {
        self.0.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

fn files_in(folder: &Path) -> BTreeSet<OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[tokio::test]
async fn files_with_addresses_cause_no_connection_and_leave_no_files() {
    let listener = SilentListener::new();
    let url = format!("http://127.0.0.1:{}/a", listener.port());
    for (name, content) in [
        ("a.mp4", format!("ffconcat version 1.0\nfile '{url}'\n")),
        ("a.mp4", "ffconcat version 1.0\nfile 'concat:/etc/passwd|/etc/hosts'\n".to_owned()),
        ("a.ts", format!("#EXTM3U\n#EXT-X-MAP:URI=\"{url}\"\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n")),
        (
            "a.mkv",
            format!("<?xml version='1.0'?><MPD><Period><BaseURL>{url}</BaseURL></Period></MPD>"),
        ),
        ("a.mp3", format!("[playlist]\nFile1={url}\n")),
        (
            "a.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"
                .to_owned(),
        ),
        ("concat:a|b", "nothing".to_owned()),
    ] {
        let test_run = TestRun::new();
        let path = test_run.path().join(name.replace('/', "_"));
        std::fs::write(&path, content).unwrap();
        let before = files_in(test_run.path());
        let report = probe(&sandbox(), &test_run, &path).await;
        assert!(matches!(report.exit, ProcessExit::BadInput(_)), "{name}: {report:?}");
        assert!(listener.was_not_contacted(), "{name}");
        assert_eq!(files_in(test_run.path()), before, "{name}");
    }
}

#[tokio::test]
async fn an_svg_with_addresses_and_files_is_drawn_without_them() {
    let listener = SilentListener::new();
    let url = format!("http://127.0.0.1:{}/a.png", listener.port());
    let test_run = TestRun::new();
    let path = test_run.path().join("a.svg");
    let svg = format!(
        "<?xml-stylesheet href='{url}'?><svg xmlns='http://www.w3.org/2000/svg' \
         xmlns:xlink='http://www.w3.org/1999/xlink' width='9' height='9'>\
         <style>@import url({url}); @font-face {{ font-family: x; src: url({url}) }}</style>\
         <image href='{url}' width='9' height='9'/>\
         <image xlink:href='file:///etc/passwd' width='9' height='9'/>\
         <use href='{url}#x'/><script href='{url}'/><feImage href='{url}'/>\
         <text font-family='x'>x</text></svg>"
    );
    std::fs::write(&path, svg).unwrap();
    let report = probe(&sandbox(), &test_run, &path).await;
    assert!(matches!(report.exit, ProcessExit::Done(_)), "{report:?}");
    let entities = "<!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>\
        <svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&a;</text></svg>";
    let laughs = (1..9).fold("<!DOCTYPE svg [<!ENTITY a0 'ha'>".to_owned(), |doc, n| {
        format!("{doc}<!ENTITY a{n} '{}'>", format!("&a{};", n - 1).repeat(10))
    }) + "]><svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><text>&a8;</text></svg>";
    for document in [entities, &laughs] {
        std::fs::write(&path, document).unwrap();
        let report = probe(&sandbox(), &test_run, &path).await;
        assert!(matches!(report.exit, ProcessExit::BadInput(_)), "{report:?}");
    }
    assert!(listener.was_not_contacted());
}

/// Makes a file by the ffmpeg command.
fn make(path: &Path, arguments: &str) {
    let output = std::process::Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments.split_whitespace())
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn hundreds_of_streams_and_tens_of_thousands_of_frames_are_probed_within_bounds() {
    let test_run = TestRun::new();
    let streams = test_run.path().join("streams.mkv");
    make(&streams, &format!("-f lavfi -i sine=d=0.05 {} -c:a pcm_s16le", "-map 0 ".repeat(300)));
    let frames = test_run.path().join("frames.gif");
    make(&frames, "-f lavfi -i color=red:s=2x2:r=50:d=600");
    for path in [streams, frames] {
        match probe(&sandbox(), &test_run, &path).await.exit {
            ProcessExit::Done(output) => {
                let Output::Probe(facts) = *output else { panic!("{output:?}") };
                assert!(facts.audio.len() <= 16 && facts.video.len() <= 16);
                assert!(
                    facts.audio.len() == 16 || facts.video[0].frames == Some(30_000),
                    "{:?}",
                    facts.video
                );
            }
            exit => assert!(matches!(exit, ProcessExit::BadInput(_)), "{exit:?}"),
        }
    }
}

#[tokio::test]
async fn damaged_webps_gifs_svgs_fonts_and_subtitles_harm_only_their_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.still("still.webp").await, FEW_VARIANTS).await;
    let gif = test_run.path().join("moving.gif");
    make(&gif, "-f lavfi -i testsrc=s=64x48:r=10:d=1");
    damage(&test_run, &gif, FEW_VARIANTS).await;
    let drawing = test_run.path().join("drawing.svg");
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><g opacity='.5' \
        transform='rotate(3)'><path d='M1 1C2 3 4 5 6 7Z'/></g></svg>";
    std::fs::write(&drawing, svg).unwrap();
    damage(&test_run, &drawing, FEW_VARIANTS).await;
    let font = test_run.path().join("font.ttf");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/fonts/OpenSans-Regular.ttf"), &font)
        .unwrap();
    damage(&test_run, &font, FEW_VARIANTS).await;
    let subtitles = test_run.path().join("words.srt");
    std::fs::write(
        &subtitles,
        "1\n00:00:01,000 --> 00:00:02,000\n<b>Hello</b>\n\n2\n00:00:03,000 --> \
            00:00:04,500\nthere\n",
    )
    .unwrap();
    damage(&test_run, &subtitles, FEW_VARIANTS).await;
}

#[tokio::test]
async fn damaged_videos_harm_only_their_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.video("film.mp4", 12, Rgba::WHITE).await, VARIANTS).await;
}

#[tokio::test]
async fn damaged_sound_harms_only_its_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.speech("speech.wav").await.0, VARIANTS).await;
}

#[tokio::test]
async fn damaged_pngs_harm_only_their_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.still("still.png").await, VARIANTS).await;
}

#[tokio::test]
async fn damaged_jpegs_harm_only_their_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.still("still.jpg").await, VARIANTS).await;
}

#[tokio::test]
#[ignore = "two thousand media processes take a minute or two"]
async fn two_thousand_damaged_files_harm_only_their_media_process() {
    let test_run = TestRun::new();
    damage(&test_run, &test_run.video("film.mp4", 12, Rgba::WHITE).await, MANY_VARIANTS).await;
    damage(&test_run, &test_run.speech("speech.wav").await.0, MANY_VARIANTS).await;
    damage(&test_run, &test_run.still("still.png").await, MANY_VARIANTS).await;
    damage(&test_run, &test_run.still("still.jpg").await, MANY_VARIANTS).await;
}

/// Probes a number of damaged variants of a file. Each must end in a way that blames the file, and
/// the sandbox must work afterwards as before.
async fn damage(test_run: &TestRun, source: &Path, variants: u64) {
    let sandbox = sandbox();
    let whole = std::fs::read(source).unwrap();
    let path = source.with_file_name("damaged");
    for seed in 0..variants {
        std::fs::write(&path, damaged(&whole, seed)).unwrap();
        let report = probe(&sandbox, test_run, &path).await;
        assert!(
            blames_the_file(&report.exit),
            "variant {seed} of {}: {report:?}",
            source.display()
        );
    }
    let report = probe(&sandbox, test_run, source).await;
    assert!(matches!(report.exit, ProcessExit::Done(_)), "{report:?}");
}

/// A damaged file may still be readable. A decoder may crash: the sandbox exists for that.
fn blames_the_file(exit: &ProcessExit) -> bool {
    matches!(
        exit,
        ProcessExit::Done(_)
            | ProcessExit::BadInput(_)
            | ProcessExit::Unsupported(_)
            | ProcessExit::OutOfMemory(_)
            | ProcessExit::Crashed { signal: Some(_), .. }
    )
}

/// Flips one to eight bits, mostly near the start where headers are, and now and then cuts off the
/// end.
fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = |below: usize| {
        // xorshift64*: any spread of damage will do, as long as it is the same in every run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    };
    let mut bytes = whole.to_vec();
    if next(8) == 0 {
        bytes.truncate(1 + next(whole.len()));
    }
    for _ in 0..=next(8) {
        let reach = if next(3) == 0 { bytes.len() } else { bytes.len().min(1024) };
        let at = next(reach);
        bytes[at] ^= 1 << next(8);
    }
    bytes
}
