//! Files made of real segments and real sound, and read back.
#![allow(clippy::unwrap_used)]

use super::{AssembleFiles, AssembleOutput, assemble};
use crate::encode::writer::SegmentWriter;
use crate::picture::planes::Picture;
use crate::sound::encode::SoundWriter;
use crate::sound::reader::SoundReader;
use crate::{MediaError, Result};
use composition::plan::{
    Assemble, Canvas, ColourTags, Format, Micro, PixelFormat, Poster, Quality, Rate, Recipe, Rgba,
    SoundCodec, SoundRecipe, Tags, VideoCodec,
};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::Packet;
use std::path::{Path, PathBuf};

const RATE: Rate = Rate { num: 30_000, den: 1_001 };
const SIZE: (u32, u32) = (64, 48);

/// Segments and sound in a folder, and the plan for them.
struct AssembleFixture {
    folder: tempfile::TempDir,
    plan: Assemble,
    segments: Vec<PathBuf>,
    sound: Option<PathBuf>,
}

impl AssembleFixture {
    fn new(format: Format, video: VideoCodec, frames: &[u64]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut first = 0;
        let mut segments = Vec::new();
        for (index, count) in frames.iter().enumerate() {
            let path = folder.path().join(format!("segment{index}"));
            segment(&path, video, first, *count, 30);
            segments.push(path);
            first += count;
        }
        let plan = Assemble {
            format,
            width: SIZE.0,
            height: SIZE.1,
            rate: RATE,
            frames: first,
            segments: frames.len() as u32,
            segment_frames: frames.to_vec(),
            video: Some(video),
            sound: None,
            poster: None,
            thumbnail: None,
            plays: None,
            tags: Tags::default(),
        };
        Self { folder, plan, segments, sound: None }
    }

    fn with_sound(mut self, codec: SoundCodec) -> Self {
        let path = self.folder.path().join("sound");
        let recipe = SoundRecipe { codec, bitrate: 128_000, rate: 48_000, channels: 2 };
        let mut writer = SoundWriter::create(&recipe, &path).unwrap();
        let samples = RATE.samples(self.plan.frames, 48_000) as usize;
        let mut sound = vec![[0.0; 2]; samples];
        sound[samples / 2..samples / 2 + 12].fill([0.8, 0.8]);
        writer.push(&sound).unwrap();
        writer.finish().unwrap();
        self.plan.sound = Some(codec);
        self.sound = Some(path);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, name: &str) -> Result<(PathBuf, AssembleOutput)> {
        let out = self.path(name);
        let (poster, thumbnail) = (self.path("poster.jpg"), self.path("thumbnail.jpg"));
        let files = AssembleFiles {
            segments: &self.segments,
            sound: self.sound.as_deref(),
            out: &out,
            poster: Some(&poster),
            thumbnail: Some(&thumbnail),
        };
        let mut last = None;
        let output = assemble(&self.plan, &files, &mut |progress| last = Some(progress))?;
        assert!(last.is_none_or(|last| last.done == last.total));
        Ok((out, output))
    }
}

/// Writes frames whose brightness grows with their number in the whole video.
fn segment(path: &Path, codec: VideoCodec, first: u64, count: u64, crf: u8) {
    let lossless = codec == VideoCodec::Ffv1;
    let recipe = Recipe {
        codec,
        quality: Quality { crf, effort: 5 },
        pixel_format: if lossless { PixelFormat::Rgb } else { PixelFormat::Yuv420p },
        colour: if lossless { ColourTags::SrgbFull } else { ColourTags::Bt709Limited },
        gop: 12,
    };
    let canvas = Canvas { width: SIZE.0, height: SIZE.1, rate: RATE, background: Rgba::BLACK };
    let mut writer = SegmentWriter::create(&recipe, &canvas, path).unwrap();
    for number in first..first + count {
        let grey = shade(number);
        let picture =
            Picture::filled(SIZE.0 as usize, SIZE.1 as usize, Rgba([grey, grey, grey, 255]));
        writer.push(&picture).unwrap();
    }
    writer.finish().unwrap();
}

fn shade(number: u64) -> u8 {
    (10 + number * 4).min(250) as u8
}

/// Returns each packet's stream, time and duration in ticks.
fn packets(path: &Path) -> Vec<(usize, i64, i64)> {
    let mut input = crate::decode::open::open_input(path).unwrap();
    let mut found = Vec::new();
    loop {
        let mut packet = Packet::empty();
        match packet.read(&mut input) {
            Ok(()) => found.push((packet.stream(), packet.pts().unwrap(), packet.duration())),
            Err(_) => return found,
        }
    }
}

fn brightness(path: &Path, number: u64) -> u8 {
    let mut reader = crate::decode::reader::VideoReader::open(path, 0).unwrap();
    let shown = reader.frame_at(RATE.seconds(number)).unwrap();
    shown.frame.data(0)[0]
}

fn contains(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
}

#[test]
fn every_frame_of_a_video_is_present_at_its_own_time() {
    let fixture = AssembleFixture::new(Format::Mp4, VideoCodec::H264, &[24, 1, 30])
        .with_sound(SoundCodec::Aac);
    let (path, output) = fixture.make("film.mp4").unwrap();
    assert_eq!(output.frames, 55);
    assert_eq!(output.duration_ms, 1_835);
    let mut times: Vec<i64> =
        packets(&path).iter().filter(|packet| packet.0 == 0).map(|packet| packet.1).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 55);
    let steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
    assert_eq!(times[0], 0);
    for number in [0, 23, 24, 25, 54] {
        let limited = 16.0 + f64::from(shade(number)) * 219.0 / 255.0;
        let found = f64::from(brightness(&path, number));
        assert!((found - limited).abs() < 4.0, "frame {number} is {found} and should be {limited}");
    }
}

#[test]
fn the_sound_has_the_length_of_the_picture_and_its_position() {
    for (format, video, codec) in [
        (Format::Mp4, VideoCodec::H264, SoundCodec::Aac),
        (Format::Webm, VideoCodec::Vp9, SoundCodec::Opus),
    ] {
        let fixture = AssembleFixture::new(format, video, &[24, 30]).with_sound(codec);
        let (path, _) = fixture.make("film").unwrap();
        let samples = RATE.samples(54, 48_000) as usize;
        let mut reader = SoundReader::open(&path, 1, 48_000, 0).unwrap();
        let mut samples_read = vec![[0.0_f32; 2]; samples];
        reader.fill(&mut samples_read).unwrap();
        let mut more = [[0.0; 2]];
        reader.fill(&mut more).unwrap();
        assert!(reader.is_over(), "{format:?} goes on after its end");
        let loudest = (0..samples)
            .max_by(|a, b| samples_read[*a][0].abs().total_cmp(&samples_read[*b][0].abs()))
            .unwrap();
        assert!(
            (samples / 2..samples / 2 + 12).contains(&loudest),
            "{format:?}: {loudest} of {samples}"
        );
    }
}

#[test]
fn the_same_segments_give_the_same_bytes_without_dates_or_names() {
    for (format, video, sound) in [
        (Format::Mp4, VideoCodec::H264, Some(SoundCodec::Aac)),
        (Format::Webm, VideoCodec::Vp9, Some(SoundCodec::Opus)),
        (Format::Gif, VideoCodec::Ffv1, None),
        (Format::Webp, VideoCodec::Ffv1, None),
    ] {
        let mut fixture = AssembleFixture::new(format, video, &[6, 5]);
        if let Some(codec) = sound {
            fixture = fixture.with_sound(codec);
        }
        let (one, _) = fixture.make("one").unwrap();
        let (other, _) = fixture.make("other").unwrap();
        assert!(
            std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap(),
            "{format:?} differs"
        );
        for name in [b"Lavf5".as_slice(), b"Lavc5", b"x264"] {
            assert!(!contains(&one, name), "{format:?} names {}", String::from_utf8_lossy(name));
        }
    }
}

#[test]
fn a_video_can_start_before_it_is_loaded_and_has_colour_tags() {
    let mut fixture =
        AssembleFixture::new(Format::Mp4, VideoCodec::H264, &[10]).with_sound(SoundCodec::Aac);
    fixture.plan.tags.title = Some("A title".into());
    let (path, _) = fixture.make("film.mp4").unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let position =
        |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    assert!(position(b"moov") < position(b"mdat"));
    assert_eq!(&bytes[position(b"colrnclx") + 8..][..7], [0, 1, 0, 1, 0, 1, 0]);
    assert!(contains(&path, b"A title"));
}

#[test]
fn h265_has_the_tag_that_every_player_takes() {
    let fixture = AssembleFixture::new(Format::Mp4, VideoCodec::H265, &[13, 7]);
    let (path, _) = fixture.make("film.mp4").unwrap();
    assert!(contains(&path, b"hvc1"));
    assert!((brightness(&path, 19) as i32 - 16 - i32::from(shade(19)) * 219 / 255).abs() < 5);
}

#[test]
fn poster_and_thumbnail_show_the_requested_frames() {
    let mut fixture = AssembleFixture::new(Format::Mp4, VideoCodec::H264, &[20, 20]);
    fixture.plan.poster = Some(Poster { frame: 35, scale: Micro::ONE });
    fixture.plan.thumbnail = Some(Poster { frame: 2, scale: Micro::from_f64(0.5) });
    let (_, output) = fixture.make("film.mp4").unwrap();
    for (name, bytes, number, size) in [
        ("poster.jpg", output.poster_bytes, 35, (64, 48)),
        ("thumbnail.jpg", output.thumbnail_bytes, 2, (32, 24)),
    ] {
        let path = fixture.path(name);
        assert_eq!(bytes, Some(std::fs::metadata(&path).unwrap().len()));
        let mut reader = crate::decode::reader::VideoReader::open(&path, 0).unwrap();
        let shown = reader.frame_at(composition::plan::Ratio::ZERO).unwrap();
        assert_eq!((shown.frame.width(), shown.frame.height()), size);
        let found = shown.frame.data(0)[0];
        assert!(found.abs_diff(shade(number)) < 6, "{name}: {found}");
    }
}

#[test]
fn gif_and_webp_are_animated_and_pictures_are_still() {
    let (gif, _) =
        AssembleFixture::new(Format::Gif, VideoCodec::Ffv1, &[6, 5]).make_with_folder("film.gif");
    let times: Vec<i64> = packets(&gif.1).iter().map(|packet| packet.1).collect();
    assert_eq!(times.len(), 11);
    assert_eq!(times[10], 33, "hundredths of a second after ten frames");
    let length = ffmpeg::format::input(&gif.1).unwrap().duration();
    assert_eq!(length, 370_000, "the last frame lasts as long as it should, in microseconds");
    let (webp, output) =
        AssembleFixture::new(Format::Webp, VideoCodec::Ffv1, &[6, 5]).make_with_folder("film.webp");
    assert!(contains(&webp.1, b"ANMF"));
    assert_eq!(output.duration_ms, 367);
    for (format, name) in [(Format::Jpg, "a.jpg"), (Format::Png, "a.png"), (Format::Webp, "a.webp")]
    {
        let (still, output) =
            AssembleFixture::new(format, VideoCodec::Ffv1, &[1]).make_with_folder(name);
        assert_eq!(output.duration_ms, 0);
        let input = ffmpeg::format::input(&still.1).unwrap();
        assert_eq!(input.streams().count(), 1);
    }
}

#[test]
fn a_gif_of_sixty_frames_a_second_keeps_its_length_and_has_no_delay_that_browsers_stretch() {
    for (rate, frames, kept) in [
        (Rate { num: 60, den: 1 }, 30, 25),
        (Rate { num: 60_000, den: 1_001 }, 31, 26),
        (Rate { num: 55, den: 1 }, 12, 11),
        (Rate { num: 50, den: 1 }, 25, 25),
    ] {
        let mut fixture = AssembleFixture::new(Format::Gif, VideoCodec::Ffv1, &[frames]);
        fixture.plan.rate = rate;
        let (gif, output) = fixture.make_with_folder("film.gif");
        let packets = packets(&gif.1);
        let times: Vec<i64> = packets.iter().map(|packet| packet.1).collect();
        assert_eq!((times.len(), output.frames), (kept, kept as u64), "{rate:?}: {times:?}");
        assert!(times.windows(2).all(|two| two[1] - two[0] >= 2), "{rate:?}: {times:?}");
        let end = times[kept - 1] + packets[kept - 1].2;
        let right = (frames as f64 / rate.to_f64() * 100.0).round() as i64;
        assert!(packets[kept - 1].2 >= 2 && end == right, "{rate:?}: {end} and not {right}");
    }
}

#[test]
fn a_webp_of_sixty_frames_a_second_keeps_its_length() {
    let mut fixture = AssembleFixture::new(Format::Webp, VideoCodec::Ffv1, &[30]);
    fixture.plan.rate = Rate { num: 60, den: 1 };
    let (webp, _) = fixture.make_with_folder("film.webp");
    let facts = crate::probe::probe(&webp.1, &composition::plan::SourceHash("00".into())).unwrap();
    let seconds = facts.duration.unwrap().to_f64();
    assert!((seconds - 0.5).abs() < 0.01, "{seconds}");
}

impl AssembleFixture {
    /// As `make`, keeping the folder alive.
    fn make_with_folder(self, name: &str) -> ((tempfile::TempDir, PathBuf), AssembleOutput) {
        let (path, output) = self.make(name).unwrap();
        ((self.folder, path), output)
    }
}

#[test]
fn sound_without_pictures_is_copied() {
    for (format, codec) in [(Format::Mp3, SoundCodec::Mp3), (Format::Wav, SoundCodec::Pcm16)] {
        let mut fixture = AssembleFixture::new(format, VideoCodec::H264, &[48]).with_sound(codec);
        (fixture.plan.frames, fixture.plan.segments, fixture.plan.video) = (0, 0, None);
        fixture.plan.segment_frames.clear();
        fixture.segments.clear();
        let (path, output) = fixture.make("sound.out").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), std::fs::read(fixture.sound.unwrap()).unwrap());
        assert_eq!(output.duration_ms, 1_601, "{format:?}");
    }
}

#[test]
fn segments_that_do_not_fit_are_refused() {
    let assert_refused = |change: &dyn Fn(&mut AssembleFixture), needle: &str| {
        let mut fixture = AssembleFixture::new(Format::Mp4, VideoCodec::H264, &[10, 10]);
        change(&mut fixture);
        let error = fixture.make("film.mp4").unwrap_err();
        assert!(matches!(error, MediaError::Internal(_)), "{error:?}");
        assert!(error.to_string().contains(needle), "{error}");
    };
    assert_refused(
        &|fixture| fixture.segments.truncate(1),
        "1 segments were given and 2 were planned",
    );
    assert_refused(
        &|fixture| segment(&fixture.segments[1], VideoCodec::H264, 10, 9, 30),
        "lacks a frame",
    );
    assert_refused(
        &|fixture| segment(&fixture.segments[1], VideoCodec::H264, 10, 11, 30),
        "not its own",
    );
    assert_refused(
        &|fixture| segment(&fixture.segments[1], VideoCodec::H265, 10, 10, 30),
        "other parameter sets",
    );
    assert_refused(&|fixture| fixture.plan.sound = Some(SoundCodec::Aac), "is missing");
}
