//! Real jobs in the cage, one after the other, as a render runs them.

use crate::Room;
use composition::plan::{
    Assemble, Canvas, ColourTags, Curve, Facts, Format, Loudness, Micro, PixelFormat, Poster,
    Quality, Rate, Ratio, Recipe, Rgba, Role, Segment, Sound, SoundCodec, SoundItem, SoundRecipe,
    Source, SourceHash, Tags, VideoCodec,
};
use media::cage::{Bounds, Ending};
use media::child::{ChildJob, Output};
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

impl Room {
    async fn done(&self, job: &ChildJob) -> Output {
        match self.run(job).await {
            media::cage::Ended { ending: Ending::Done(output), .. } => *output,
            other => panic!("{}: {other:?}", job.name()),
        }
    }

    /// A small film of flat pictures.
    pub(crate) async fn film(&self, name: &str, frames: u64, colour: Rgba) -> PathBuf {
        let out = self.path().join(name);
        let segment = Box::new(segment(frames, colour));
        self.done(&ChildJob::Segment { segment, files: Default::default(), out: out.clone() })
            .await;
        out
    }

    /// A flat picture; the name says of which kind.
    pub(crate) async fn still(&self, name: &str) -> PathBuf {
        let out = self.path().join(name);
        let segment = Box::new(segment(1, Rgba([200, 60, 20, 255])));
        self.done(&ChildJob::Still {
            segment,
            files: Default::default(),
            frame: 0,
            out: out.clone(),
        })
        .await;
        out
    }

    /// Some words.
    pub(crate) async fn speech(&self, name: &str) -> (PathBuf, SpeechOutput) {
        let out = self.path().join(name);
        let text =
            "One after the other, four words and then some more, so that it takes a while.".into();
        let speech = SpokenText { text, voice: "en".into(), rate: 175, pitch: 50 };
        match self.done(&ChildJob::Speech { speech, out: out.clone() }).await {
            Output::Speech(speech) => (out, speech),
            other => panic!("{other:?}"),
        }
    }

    async fn facts(&self, path: &Path) -> Facts {
        match self.done(&ChildJob::Probe { source: path.to_owned(), hash: hash() }).await {
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
            source: Source { hash: hash(), stream: 0 },
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
async fn a_film_is_made_from_nothing_but_jobs() {
    let room = Room::new();
    let (speech, spoken) = room.speech("speech.wav").await;
    assert_eq!(spoken.words.len(), 16);
    let frames = [50, 60];
    let segments = vec![
        room.film("red.mp4", frames[0], Rgba([200, 0, 0, 255])).await,
        room.film("blue.mp4", frames[1], Rgba([0, 0, 200, 255])).await,
    ];
    let mixed = room.path().join("sound.m4a");
    let files = [(hash(), speech)].into();
    let output = room
        .done(&ChildJob::Sound { sound: Box::new(sound(110)), files, out: mixed.clone() })
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
    let (out, poster) = (room.path().join("film.mp4"), room.path().join("poster.jpg"));
    let job = ChildJob::Assemble {
        assemble: Box::new(assemble),
        segments,
        sound: Some(mixed),
        out: out.clone(),
        poster: Some(poster.clone()),
        thumbnail: None,
    };
    let output = room.done(&job).await;
    let Output::Assemble(output) = output else { panic!("{output:?}") };
    assert_eq!((output.frames, output.duration_ms), (110, 4_400));

    let film = room.facts(&out).await;
    assert_eq!((film.video[0].frames, film.audio.len()), (Some(110), 1));
    assert_eq!(film.duration, Ratio::new(44, 10).ok());
    assert!(room.facts(&poster).await.image);
}

#[tokio::test]
async fn the_same_text_is_spoken_to_the_same_bytes() {
    let room = Room::new();
    let (one, first) = room.speech("one.wav").await;
    let (other, second) = room.speech("other.wav").await;
    assert_eq!(first, second);
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn what_a_child_may_take_follows_from_its_output_and_not_from_its_length() {
    let bounds = |width: u32, height: u32, frames: u64| {
        let mut segment = segment(frames, Rgba::BLACK);
        (segment.canvas.width, segment.canvas.height) = (width, height);
        Bounds::of(&ChildJob::Segment {
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
    assert_eq!(per_pixel, 640, "so many bytes a pixel");
    assert!(large.memory < 8 << 30);
}

#[tokio::test]
async fn honest_work_stays_well_below_its_memory_and_runaway_work_ends_at_it() {
    let room = Room::new();
    let mut segment = segment(60, Rgba([90, 20, 200, 255]));
    (segment.canvas.width, segment.canvas.height) = (1280, 720);
    let job = ChildJob::Segment {
        segment: Box::new(segment),
        files: Default::default(),
        out: room.path().join("out"),
    };
    let derived = Bounds::of(&job);
    let quarter = room.run_within(&job, Bounds { memory: derived.memory / 4, ..derived }).await;
    assert!(matches!(quarter.ending, Ending::Done(_)), "{quarter:?}");
    let hundredth = room.run_within(&job, Bounds { memory: derived.memory / 100, ..derived }).await;
    assert!(
        matches!(
            hundredth.ending,
            Ending::OutOfMemory(_) | Ending::Crashed { .. } | Ending::Killed
        ),
        "{hundredth:?}"
    );
}
