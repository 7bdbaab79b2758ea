//! Real jobs in the sandbox, one after the other, as a render runs them.

use crate::TestRun;
use composition::plan::{
    Assemble, Canvas, ColourTags, Curve, Facts, Format, Loudness, Micro, PixelFormat, Poster,
    Quality, Rate, Ratio, Recipe, Rgba, Role, Segment, Sound, SoundCodec, SoundItem, SoundRecipe,
    Source, SourceHash, Tags, VideoCodec,
};
use media::protocol::{MediaJob, Output};
use media::sandbox::{Bounds, ProcessExit};
use media::speech::{SpeechOutput, SpokenText};
use std::path::{Path, PathBuf};

const RATE: Rate = Rate { num: 25, den: 1 };

fn hash() -> SourceHash {
    SourceHash("ab".into())
}

fn segment(frames: u64, colour: Rgba) -> Segment {
    Segment {
        canvas: Canvas { width: 160, height: 90, rate: RATE, background: colour },
        frames,
        layers: Vec::new(),
        fonts: Vec::new(),
        machine_fonts: None,
        recipe: Recipe {
            codec: VideoCodec::H264,
            quality: Quality { crf: 23, effort: 2 },
            pixel_format: PixelFormat::Yuv420p,
            colour: ColourTags::Bt709Limited,
            gop: 50,
        },
    }
}

impl TestRun {
    async fn done(&self, job: &MediaJob) -> Output {
        match self.run(job).await {
            media::sandbox::ProcessReport { exit: ProcessExit::Done(output), .. } => *output,
            other => panic!("{}: {other:?}", job.name()),
        }
    }

    /// A small video of flat pictures.
    pub(crate) async fn video(&self, name: &str, frames: u64, colour: Rgba) -> PathBuf {
        let out = self.path().join(name);
        let segment = Box::new(segment(frames, colour));
        self.done(&MediaJob::Segment { segment, files: Default::default(), out: out.clone() })
            .await;
        out
    }

    /// A flat picture. The name's extension gives the format.
    pub(crate) async fn still(&self, name: &str) -> PathBuf {
        let out = self.path().join(name);
        let segment = Box::new(segment(1, Rgba([200, 60, 20, 255])));
        self.done(&MediaJob::Still {
            segment,
            files: Default::default(),
            frame: 0,
            out: out.clone(),
        })
        .await;
        out
    }

    /// A few spoken words.
    pub(crate) async fn speech(&self, name: &str) -> (PathBuf, SpeechOutput) {
        let out = self.path().join(name);
        let text =
            "One after the other, four words and then some more, so that it takes a while.".into();
        let speech = SpokenText { text, voice: "en".into(), rate: 175, pitch: 50 };
        match self.done(&MediaJob::Speech { speech, out: out.clone() }).await {
            Output::Speech(speech) => (out, speech),
            other => panic!("{other:?}"),
        }
    }

    async fn facts(&self, path: &Path) -> Facts {
        match self.done(&MediaJob::Probe { source: path.to_owned(), hash: hash() }).await {
            Output::Probe(facts) => *facts,
            other => panic!("{other:?}"),
        }
    }
}

fn sound(frames: u64) -> Sound {
    let samples = RATE.samples(frames, 48_000);
    Sound {
        samples,
        items: vec![SoundItem {
            source: Source { hash: hash(), stream: 0, joined: false },
            start: 0,
            samples,
            trim: Ratio::ZERO,
            speed: Ratio::ONE,
            volume: Curve::still(Micro::ONE),
            fade_in: 0,
            fade_in_before: 0,
            fade_out: 0,
            fade_out_after: 0,
            role: Role::Voice,
        }],
        ducking: None,
        loudness: Some(Loudness { integrated: Micro::whole(-14), true_peak: Micro::whole(-1) }),
        recipe: SoundRecipe { codec: SoundCodec::Aac, bitrate: 128_000, rate: 48_000, channels: 2 },
    }
}

#[tokio::test]
async fn a_video_is_made_by_jobs_alone() {
    let test_run = TestRun::new();
    let (speech, spoken) = test_run.speech("speech.wav").await;
    assert_eq!(spoken.words.len(), 16);
    let frames = [50, 60];
    let segments = vec![
        test_run.video("red.mp4", frames[0], Rgba([200, 0, 0, 255])).await,
        test_run.video("blue.mp4", frames[1], Rgba([0, 0, 200, 255])).await,
    ];
    let mixed = test_run.path().join("sound.m4a");
    let files = [(hash(), speech)].into();
    let output = test_run
        .done(&MediaJob::Sound { sound: Box::new(sound(110)), files, out: mixed.clone() })
        .await;
    let Output::Sound(output) = output else { panic!("{output:?}") };
    assert!((output.loudness.unwrap() + 14.0).abs() < 0.5, "{output:?}");

    let assemble = Assemble {
        format: Format::Mp4,
        width: 160,
        height: 90,
        rate: RATE,
        frames: 110,
        segments: 2,
        segment_frames: frames.to_vec(),
        video: Some(VideoCodec::H264),
        sound: Some(SoundCodec::Aac),
        poster: Some(Poster { frame: 70, scale: Micro::ONE }),
        thumbnail: None,
        plays: None,
        tags: Tags::default(),
    };
    let (out, poster) = (test_run.path().join("film.mp4"), test_run.path().join("poster.jpg"));
    let job = MediaJob::Assemble {
        assemble: Box::new(assemble),
        segments,
        sound: Some(mixed),
        out: out.clone(),
        poster: Some(poster.clone()),
        thumbnail: None,
    };
    let output = test_run.done(&job).await;
    let Output::Assemble(output) = output else { panic!("{output:?}") };
    assert_eq!((output.frames, output.duration_ms), (110, 4_400));

    let video = test_run.facts(&out).await;
    assert_eq!((video.video[0].frames, video.audio.len()), (Some(110), 1));
    assert_eq!(video.duration, Ratio::new(44, 10).ok());
    assert!(test_run.facts(&poster).await.image);
}

#[tokio::test]
async fn the_same_text_is_spoken_to_the_same_bytes() {
    let test_run = TestRun::new();
    let (one, first) = test_run.speech("one.wav").await;
    let (other, second) = test_run.speech("other.wav").await;
    assert_eq!(first, second);
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn memory_bounds_follow_from_the_canvas_and_not_from_the_length() {
    let bounds = |width: u32, height: u32, frames: u64| {
        let mut segment = segment(frames, Rgba::BLACK);
        (segment.canvas.width, segment.canvas.height) = (width, height);
        Bounds::of(&MediaJob::Segment {
            segment: Box::new(segment),
            files: Default::default(),
            out: "out".into(),
        })
    };
    let (short, long) = (bounds(1920, 1080, 25), bounds(1920, 1080, 2_500));
    assert_eq!(short.memory, long.memory, "a longer one needs no more");
    assert!(long.file_size > short.file_size && long.deadline > short.deadline);
    let (small, large) = (bounds(640, 360, 25), bounds(3840, 2160, 25));
    assert!(small.memory < short.memory && short.memory < large.memory);
    let per_pixel = (large.memory - small.memory) / u64::from(3840 * 2160 - 640 * 360_u32);
    assert_eq!(per_pixel, 640, "640 bytes a pixel");
    assert!(large.memory < 8 << 30);
}

#[tokio::test]
async fn usual_work_stays_well_below_its_memory_bound_and_more_is_stopped() {
    let test_run = TestRun::new();
    let mut segment = segment(60, Rgba([90, 20, 200, 255]));
    (segment.canvas.width, segment.canvas.height) = (1280, 720);
    let job = MediaJob::Segment {
        segment: Box::new(segment),
        files: Default::default(),
        out: test_run.path().join("out"),
    };
    let derived = Bounds::of(&job);
    let quarter = test_run.run_within(&job, Bounds { memory: derived.memory / 4, ..derived }).await;
    assert!(matches!(quarter.exit, ProcessExit::Done(_)), "{quarter:?}");
    let hundredth =
        test_run.run_within(&job, Bounds { memory: derived.memory / 100, ..derived }).await;
    assert!(
        matches!(
            hundredth.exit,
            ProcessExit::OutOfMemory(_) | ProcessExit::Crashed { .. } | ProcessExit::Killed
        ),
        "{hundredth:?}"
    );
}
