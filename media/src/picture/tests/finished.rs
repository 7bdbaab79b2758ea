//! From a composition as callers write it to the finished file: every stage of the plan, in one
//! process.

use super::segments::{SegmentFixture, picture_of, video_of};
use crate::assemble::{AssembleFiles, assemble};
use crate::picture::render_segment;
use crate::probe::probe;
use crate::protocol::AssembleOutput;
use crate::sound::reader::SoundReader;
use crate::text::FontFolders;
use composition::plan::*;
use composition::{SourceKey, compile, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles compositions and makes them into files. Equal segments are rendered once, as with the
/// product's cache.
pub(super) struct VideoMaker {
    folder: tempfile::TempDir,
    files: BTreeMap<SourceHash, PathBuf>,
    facts: BTreeMap<SourceKey, Facts>,
    rendered: BTreeMap<String, PathBuf>,
}

/// A finished file and its plan.
pub(super) struct FinishedVideo {
    pub path: PathBuf,
    pub plan: RenderPlan,
    pub output: AssembleOutput,
}

impl VideoMaker {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            files: BTreeMap::new(),
            facts: BTreeMap::new(),
            rendered: BTreeMap::new(),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Registers the file at `path` as a source under the name that a composition uses.
    pub(super) fn source(&mut self, src: &str, path: &Path) -> Facts {
        let hash = SourceHash(blake3::hash(&std::fs::read(path).unwrap()).to_hex().to_string());
        let facts = probe(path, &hash).unwrap();
        self.files.insert(hash, path.to_owned());
        self.facts.insert(SourceKey::of_src(src), facts.clone());
        facts
    }

    /// Makes a source by ffmpeg with `arguments`.
    pub(super) fn make_source(&mut self, name: &str, arguments: &str) -> Facts {
        let path = self.path(name);
        make(&path, arguments);
        self.source(name, &path)
    }

    pub(super) fn finish(&mut self, document: &Value, name: &str) -> FinishedVideo {
        let composition = parse(document).unwrap_or_else(|faults| panic!("{faults:?}"));
        let plan = compile(&composition, &self.facts).unwrap_or_else(|faults| panic!("{faults:?}"));
        let segments: Vec<PathBuf> =
            plan.segments.iter().map(|segment| self.segment(segment)).collect();
        let sound = plan.sound.as_ref().map(|sound| {
            let out = self.path(&format!("{name}.sound"));
            crate::sound::render(sound, &self.files, &out, &mut |_| {}).unwrap();
            out
        });
        let path = self.path(name);
        let parts = AssembleFiles {
            segments: &segments,
            sound: sound.as_deref(),
            out: &path,
            poster: None,
            thumbnail: None,
        };
        let output = assemble(&plan.assemble, &parts, &mut |_| {}).unwrap();
        FinishedVideo { path, plan, output }
    }

    fn segment(&mut self, segment: &Segment) -> PathBuf {
        let key = serde_json::to_string(segment).unwrap();
        let rendered = self.rendered.get(&key).cloned();
        rendered.unwrap_or_else(|| {
            let out = self.path(&format!("segment-{}", self.rendered.len()));
            render_segment(segment, &self.files, &FontFolders(vec![]), &out, &mut |_| {}).unwrap();
            self.rendered.insert(key, out.clone());
            out
        })
    }
}

/// Makes a file by the ffmpeg command, which `scripts/setup` installs.
pub(super) fn make(path: &Path, arguments: &str) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments.split_whitespace())
        .arg(path)
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Draws a frame of a file, on a grey canvas of this size.
fn frame_of(
    path: &Path,
    (width, height): (u32, u32),
    frame: u64,
) -> crate::picture::planes::Picture {
    let mut fixture = SegmentFixture::new(width, height);
    let source = fixture.add(path);
    fixture.layer(Asset::Colour(Rgba([128, 128, 128, 255])));
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    fixture.frame(frame)
}

fn simple(format: &str, background: &str) -> Value {
    json!({
        "timeline": { "background": background, "tracks": [
            { "clips": [
                { "asset": {
                    "type": "shape", "shape": "rectangle",
                    "rectangle": { "width": 32, "height": 48 },
                    "fill": { "color": "#ffffff" } },
                  "start": 0, "length": 2, "offset": { "x": -0.25 } } ] },
            { "clips": [
                { "asset": { "type": "audio", "src": "tone.wav" }, "start": 0, "length": 2 } ] },
        ] },
        "output": {
            "format": format, "size": { "width": 64, "height": 48 }, "fps": 25,
            "loudness": false },
    })
}

#[test]
fn every_format_is_made_as_requested() {
    let mut maker = VideoMaker::new();
    maker.make_source("tone.wav", "-f lavfi -i sine=440:sample_rate=48000:duration=2 -ac 2");
    for (format, container, picture, sound) in [
        ("mp4", "mov", Some("h264"), Some("aac")),
        ("webm", "matroska", Some("vp9"), Some("opus")),
        ("gif", "gif", Some("gif"), None),
        ("mp3", "mp3", None, Some("mp3")),
        ("wav", "wav", None, Some("pcm_s16le")),
        ("png", "png", Some("png"), None),
        ("jpg", "jpeg", Some("mjpeg"), None),
    ] {
        let finished = maker.finish(&simple(format, "#204060"), &format!("out.{format}"));
        let facts = probe(&finished.path, &SourceHash("00".into())).unwrap();
        assert!(facts.container.contains(container), "{format}: {}", facts.container);
        assert_eq!(facts.video.first().map(|video| video.codec.as_str()), picture, "{format}");
        assert_eq!(facts.audio.first().map(|audio| audio.codec.as_str()), sound, "{format}");
        assert_eq!(
            finished.output.bytes,
            std::fs::metadata(&finished.path).unwrap().len(),
            "{format}"
        );
        if let Some(video) = facts.video.first() {
            assert_eq!((video.width, video.height), (64, 48), "{format}");
            let frame = frame_of(&finished.path, (64, 48), 0);
            assert!(
                frame.y[24 * 64 + 8] > 225 && frame.y[24 * 64 + 56] < 90,
                "{format}: white left, blue right"
            );
        }
        let moving = matches!(format, "mp4" | "webm" | "gif");
        assert_eq!(facts.image, matches!(format, "png" | "jpg"), "{format}");
        if moving {
            assert_eq!(facts.video[0].frames, Some(50), "{format}");
        }
        if sound.is_some() {
            let mut reader =
                SoundReader::open(&finished.path, facts.audio[0].index, 48_000, 0).unwrap();
            let mut samples = vec![[0.0_f32; 2]; 96_000];
            reader.fill(&mut samples).unwrap();
            let loud = samples[48_000..52_800]
                .iter()
                .fold(0.0_f32, |most, sample| most.max(sample[0].abs()));
            assert!((0.08..0.2).contains(&loud), "{format}: {loud}");
        }
    }
}

#[test]
fn an_animated_webp_has_many_frames_and_states_its_length() {
    let mut maker = VideoMaker::new();
    maker.make_source("tone.wav", "-f lavfi -i sine=440:sample_rate=48000:duration=2 -ac 2");
    let mut document = simple("webp", "#204060");
    document["timeline"]["tracks"][0]["clips"][0]["transition"] = json!({ "in": "fade" });
    let finished = maker.finish(&document, "out.webp");
    let bytes = std::fs::read(&finished.path).unwrap();
    assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP");
    let frames: Vec<usize> = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, four)| four == b"ANMF")
        .map(|(at, _)| at)
        .collect();
    // The duration in milliseconds is in the three bytes after position and size of each frame; a
    // frame that does not change extends the one before.
    let lasts = frames
        .iter()
        .map(|at| u32::from_le_bytes([bytes[at + 20], bytes[at + 21], bytes[at + 22], 0]));
    assert!(frames.len() > 5 && lasts.sum::<u32>() == 2_000, "{} frames", frames.len());
}

#[test]
fn h265_is_made_if_requested() {
    let mut maker = VideoMaker::new();
    maker.make_source("tone.wav", "-f lavfi -i sine=440:sample_rate=48000:duration=2 -ac 2");
    let mut document = simple("mp4", "#204060");
    document["output"]["codec"] = json!("h265");
    let finished = maker.finish(&document, "out.mp4");
    let facts = probe(&finished.path, &SourceHash("00".into())).unwrap();
    assert_eq!((facts.video[0].codec.as_str(), facts.video[0].frames), ("hevc", Some(50)));
    assert!(std::fs::read(&finished.path).unwrap().windows(4).any(|four| four == b"hvc1"));
}

#[test]
fn a_clear_background_stays_clear_in_formats_with_alpha() {
    for format in ["webm", "png", "gif"] {
        let mut maker = VideoMaker::new();
        maker.make_source("tone.wav", "-f lavfi -i sine=440:sample_rate=48000:duration=2 -ac 2");
        let finished = maker.finish(&simple(format, "#00000000"), &format!("clear.{format}"));
        let facts = probe(&finished.path, &SourceHash("00".into())).unwrap();
        assert!(facts.video[0].alpha, "{format}: {:?}", facts.video[0]);
        let frame = frame_of(&finished.path, (64, 48), 0);
        let (white, grey) = (frame.y[24 * 64 + 8], frame.y[24 * 64 + 56]);
        assert!(white > 225 && grey.abs_diff(126) <= 4, "{format}: {white} {grey}");
    }
}

/// Compares two planes of 640 × 360: the mean similarity of windows as large as the golden frames.
fn mean_similarity(a: &[u8], b: &[u8]) -> f64 {
    let window = |plane: &[u8], top: usize, left: usize| -> Vec<u8> {
        (top..top + 90).flat_map(|row| plane[row * 640 + left..][..160].to_vec()).collect()
    };
    let places = (0..16).map(|place| (place / 4 * 90, place % 4 * 160));
    let scores = places
        .map(|(top, left)| super::golden::similarity(&window(a, top, left), &window(b, top, left)));
    scores.sum::<f64>() / 16.0
}

// Two encodings of a frame each differ from it by what the rate factor allows, and so from each
// other. In a picture of 160 × 90 the similarity is 0.96; the threshold holds for pictures of usual
// size.
#[test]
fn a_video_of_segments_looks_like_one_encoded_at_once() {
    let mut maker = VideoMaker::new();
    maker.make_source(
        "clip.mp4",
        "-f lavfi -i testsrc2=s=640x360:r=25:d=6 -pix_fmt yuv420p -crf 12",
    );
    let document = json!({
        "timeline": { "tracks": [
            { "clips": [
                { "asset": { "type": "text", "text": "One piece", "font": { "size": 80 } },
                  "start": 1, "length": 3,
                  "transition": { "in": "slideUp", "out": "fade" } } ] },
            { "clips": [
                { "asset": { "type": "video", "src": "clip.mp4" },
                  "start": 0, "length": 6, "effect": "zoomIn" } ] },
        ] },
        "output": { "format": "mp4", "size": { "width": 640, "height": 360 }, "fps": 25 },
    });
    let finished = maker.finish(&document, "parts.mp4");
    assert!(finished.plan.segments.len() >= 3);
    // All frames at once, by one encoder.
    let first = &finished.plan.segments[0];
    let at_once = maker.path("at-once.mp4");
    let mut writer =
        crate::encode::writer::SegmentWriter::create(&first.recipe, &first.canvas, &at_once)
            .unwrap();
    let mut drawn = Vec::new();
    for segment in &finished.plan.segments {
        let mut scene =
            crate::picture::Scene::open(segment, &maker.files, &FontFolders(vec![])).unwrap();
        for frame in 0..segment.frames {
            let picture = scene.frame(frame).unwrap();
            writer.push(&picture).unwrap();
            drawn.push(picture.y.clone());
        }
    }
    writer.finish().unwrap();
    let open = |path: &Path| {
        let mut fixture = SegmentFixture::new(640, 360);
        fixture.segment.frames = drawn.len() as u64;
        let source = fixture.add(path);
        fixture.layer(Asset::Video(video_of(picture_of(source))));
        fixture.scene()
    };
    let (mut parts, mut whole) = (open(&finished.path), open(&at_once));
    for (frame, drawn) in drawn.iter().enumerate() {
        let (part, one) =
            (parts.frame(frame as u64).unwrap().y, whole.frame(frame as u64).unwrap().y);
        let found = mean_similarity(&part, &one);
        assert!(found >= 0.98, "frame {frame}: {found}");
        let (lost, lost_at_once) =
            (1.0 - mean_similarity(&part, drawn), 1.0 - mean_similarity(&one, drawn));
        assert!(
            lost <= lost_at_once + 0.01,
            "frame {frame}: parts lose {lost}, all at once {lost_at_once}"
        );
    }
}
