//! From a plan to a file, and back through the reader.
#![allow(clippy::unwrap_used)]

use super::encode::SoundWriter;
use super::reader::SoundReader;
use super::stereo::Stereo;
use super::*;
use composition::plan::{
    Curve, Ducking, Easing, Loudness, Micro, Ratio, Role, SoundItem, SoundRecipe, Source,
    SourceHash, Tween,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

const RATE: u32 = 48_000;

struct SoundFixture {
    folder: tempfile::TempDir,
    files: Files,
}

impl SoundFixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), files: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a source, as a WAV of this `rate`.
    fn source(&mut self, name: &str, rate: u32, samples: &[Stereo]) {
        let path = self.path(&format!("{name}.wav"));
        let mut writer = SoundWriter::create(&recipe(SoundCodec::Pcm16, rate), &path).unwrap();
        writer.push(samples).unwrap();
        writer.finish().unwrap();
        self.files.insert(SourceHash(name.into()), path);
    }

    fn render(&self, sound: &Sound, name: &str) -> (PathBuf, SoundOutput) {
        let out = self.path(name);
        let output = render(sound, &self.files, &out, &mut |_| {}).unwrap();
        (out, output)
    }
}

fn recipe(codec: SoundCodec, rate: u32) -> SoundRecipe {
    SoundRecipe { codec, bitrate: 192_000, rate, channels: 2 }
}

fn item(name: &str, start: u64, samples: u64) -> SoundItem {
    SoundItem {
        source: Source { hash: SourceHash(name.into()), stream: 0, joined: false },
        start,
        samples,
        trim: Ratio::ZERO,
        speed: Ratio::ONE,
        volume: Curve::still(Micro::ONE),
        fade_in: 0,
        fade_in_before: 0,
        fade_out: 0,
        fade_out_after: 0,
        role: Role::Effect,
    }
}

fn sound(samples: u64, items: Vec<SoundItem>) -> Sound {
    Sound { samples, items, ducking: None, loudness: None, recipe: recipe(SoundCodec::Pcm16, RATE) }
}

/// Reads all samples of a file, and some more if it has them.
fn read(path: &Path, expected: usize) -> Vec<Stereo> {
    let mut reader = SoundReader::open(path, 0, RATE, 0).unwrap();
    let mut samples = vec![[0.0; 2]; expected];
    reader.fill(&mut samples).unwrap();
    let mut more = [[0.0; 2]; 1];
    reader.fill(&mut more).unwrap();
    assert!(reader.is_over(), "{} is longer than expected", path.display());
    samples
}

fn tone(hz: f32, level: f32, samples: usize, rate: u32) -> Vec<Stereo> {
    (0..samples)
        .map(|n| [(std::f32::consts::TAU * hz * n as f32 / rate as f32).sin() * level; 2])
        .collect()
}

fn level(samples: &[Stereo]) -> f32 {
    (samples.iter().map(|sample| sample[0] * sample[0]).sum::<f32>() / samples.len() as f32).sqrt()
}

fn click_at(samples: &[Stereo]) -> usize {
    let (at, _) = samples
        .iter()
        .enumerate()
        .max_by(|(_, one), (_, other)| one[0].abs().total_cmp(&other[0].abs()))
        .unwrap();
    at
}

#[test]
fn a_click_lands_on_its_sample_for_any_start_and_trim() {
    let mut fixture = SoundFixture::new();
    let mut click = vec![[0.0; 2]; 30_000];
    click[12_345] = [0.9, 0.9];
    fixture.source("click", RATE, &click);
    for (start, trim_samples) in [(0, 0), (1, 0), (4_799, 345), (4_800, 12_345), (50_001, 7)] {
        let mut at = item("click", start, 30_000);
        at.trim = Ratio::new(trim_samples, i64::from(RATE)).unwrap();
        let (path, output) = fixture.render(&sound(90_001, vec![at]), "out.wav");
        assert_eq!(output.samples, 90_001);
        let samples = read(&path, 90_001);
        let expected = start as usize + 12_345 - trim_samples as usize;
        assert!((samples[expected][0] - 0.9).abs() < 1e-3, "start {start} trim {trim_samples}");
        assert_eq!(samples.iter().filter(|sample| sample[0] != 0.0).count(), 1);
    }
}

#[test]
fn another_rate_is_resampled_without_shifting() {
    let mut fixture = SoundFixture::new();
    let mut click = vec![[0.0; 2]; 44_100];
    click[22_050] = [0.9, 0.9];
    fixture.source("click", 44_100, &click);
    let (path, _) = fixture.render(&sound(48_000, vec![item("click", 0, 48_000)]), "out.wav");
    assert_eq!(click_at(&read(&path, 48_000)), 24_000);
}

/// Adds a source of many channels, all silent but one, as a WAV without a layout.
fn many_channels(fixture: &mut SoundFixture, channels: u16, loud: u16, level: i16) -> PathBuf {
    let frame =
        (0..channels).flat_map(|channel| (if channel == loud { level } else { 0 }).to_le_bytes());
    let data: Vec<u8> = frame.collect::<Vec<u8>>().repeat(4_800);
    let block = channels * 2;
    let bytes = [
        b"RIFF".as_slice(),
        &(36 + data.len() as u32).to_le_bytes(),
        b"WAVEfmt \x10\0\0\0\x01\0",
        &channels.to_le_bytes(),
        &RATE.to_le_bytes(),
        &(RATE * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        b"\x10\0data",
        &(data.len() as u32).to_le_bytes(),
        &data,
    ]
    .concat();
    let path = fixture.path("many.wav");
    std::fs::write(&path, bytes).unwrap();
    fixture.files.insert(SourceHash("many".into()), path.clone());
    path
}

#[test]
fn more_than_eight_channels_are_mixed_down() {
    let mut fixture = SoundFixture::new();
    for channels in [9, 10, 12, 16, 63] {
        for (loud, expected) in [
            (0, [0.25, 0.0]),
            (1, [0.0, 0.25]),
            (2, [0.1768, 0.1768]),
            (3, [0.0, 0.0]),
            (7, [0.0, 0.1768]),
            (8, [0.1768, 0.0]),
        ] {
            let path = many_channels(&mut fixture, channels, loud, 8_192);
            let facts = crate::probe::probe(&path, &SourceHash("many".into())).unwrap();
            assert_eq!(facts.audio[0].channels, u32::from(channels));
            let (path, _) = fixture.render(&sound(4_800, vec![item("many", 0, 4_800)]), "out.wav");
            let found = read(&path, 4_800)[2_400];
            assert!(
                (found[0] - expected[0]).abs() < 1e-3 && (found[1] - expected[1]).abs() < 1e-3,
                "channel {loud} of {channels}: {found:?}"
            );
        }
    }
}

#[test]
fn too_many_channels_are_refused_when_probed() {
    let mut fixture = SoundFixture::new();
    for channels in [64, 128, 255, 513, 4_000] {
        let path = many_channels(&mut fixture, channels, 0, 8_192);
        let error = crate::probe::probe(&path, &SourceHash("many".into())).unwrap_err();
        assert!(
            matches!(error, MediaError::Unsupported(_) | MediaError::BadInput(_)),
            "{channels}: {error:?}"
        );
    }
}

#[test]
fn every_codec_keeps_the_exact_length_and_position() {
    let mut fixture = SoundFixture::new();
    let mut click = vec![[0.0; 2]; 60_000];
    for sample in &mut click[30_000..30_012] {
        *sample = [0.8, 0.8];
    }
    fixture.source("click", RATE, &click);
    for (codec, name) in [
        (SoundCodec::Aac, "out.mp4"),
        (SoundCodec::Opus, "out.webm"),
        (SoundCodec::Mp3, "out.mp3"),
        (SoundCodec::Pcm16, "out.wav"),
    ] {
        let mut plan = sound(59_999, vec![item("click", 0, 60_000)]);
        plan.recipe = recipe(codec, RATE);
        let (path, output) = fixture.render(&plan, name);
        assert_eq!(output.samples, 59_999);
        let at = click_at(&read(&path, 59_999));
        assert!((30_000..30_012).contains(&at), "{codec:?} has it at {at}");
    }
}

#[test]
fn every_codec_keeps_the_level() {
    let mut fixture = SoundFixture::new();
    fixture.source("tone", RATE, &tone(1_000.0, 0.5, 96_000, RATE));
    for (codec, name) in [
        (SoundCodec::Aac, "out.mp4"),
        (SoundCodec::Opus, "out.webm"),
        (SoundCodec::Mp3, "out.mp3"),
        (SoundCodec::Pcm16, "out.wav"),
    ] {
        let mut plan = sound(96_000, vec![item("tone", 0, 96_000)]);
        plan.recipe = recipe(codec, RATE);
        let (path, _) = fixture.render(&plan, name);
        let change = 20.0
            * (level(&read(&path, 96_000)[9_600..86_400])
                / (0.5 * std::f32::consts::FRAC_1_SQRT_2))
                .log10();
        assert!(change.abs() < 0.1, "{codec:?} changes the level by {change} dB");
    }
}

#[test]
fn the_same_sound_gives_the_same_bytes() {
    let mut fixture = SoundFixture::new();
    fixture.source("tone", RATE, &tone(440.0, 0.2, 200_000, RATE));
    let mut plan = sound(200_000, vec![item("tone", 100, 150_000)]);
    plan.recipe = recipe(SoundCodec::Aac, RATE);
    plan.loudness = Some(loudness());
    let (one, _) = fixture.render(&plan, "one.mp4");
    let (other, _) = fixture.render(&plan, "other.mp4");
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
}

#[test]
fn music_is_lowered_while_a_voice_speaks() {
    let mut fixture = SoundFixture::new();
    fixture.source("music", RATE, &tone(200.0, 0.2, 240_000, RATE));
    fixture.source("voice", RATE, &tone(1_000.0, 0.3, 96_000, RATE));
    let music = SoundItem { role: Role::Music, ..item("music", 0, 240_000) };
    let voice = SoundItem {
        role: Role::Voice,
        volume: Curve::still(Micro::ONE),
        ..item("voice", 72_000, 96_000)
    };
    let mut plan = sound(240_000, vec![music, voice]);
    let voice_only = fixture.render(&sound(240_000, vec![plan.items[1].clone()]), "alone.wav").0;
    plan.ducking = Some(Ducking {
        threshold: Micro::whole(-30),
        depth: Micro::whole(12),
        attack_ms: 50,
        release_ms: 300,
    });
    let (path, _) = fixture.render(&plan, "out.wav");
    // Subtracting the voice leaves the music.
    let music: Vec<Stereo> = read(&path, 240_000)
        .iter()
        .zip(&read(&voice_only, 240_000))
        .map(|(mix, voice)| [mix[0] - voice[0], mix[1] - voice[1]])
        .collect();
    let (before, under, after) = (
        level(&music[24_000..72_000]),
        level(&music[96_000..168_000]),
        level(&music[216_000..240_000]),
    );
    let lowered = 20.0 * (under / before).log10();
    assert!((lowered + 12.0).abs() < 0.3, "{lowered} dB");
    assert!(after > before * 0.95);
}

fn loudness() -> Loudness {
    Loudness { integrated: Micro::whole(-14), true_peak: Micro::whole(-1) }
}

#[test]
fn loudness_reaches_its_target_for_quiet_loud_and_spiky_sound() {
    let mut fixture = SoundFixture::new();
    let quiet = tone(300.0, 0.01, 240_000, RATE);
    let loud = tone(300.0, 0.99, 240_000, RATE);
    let mut spiky = tone(300.0, 0.05, 240_000, RATE);
    for spike in spiky.chunks_mut(24_000) {
        spike[100] = [0.9, -0.9];
        spike[101] = [-0.9, 0.9];
    }
    for (name, samples) in [("quiet", quiet), ("loud", loud), ("spiky", spiky)] {
        fixture.source(name, RATE, &samples);
        let mut plan = sound(240_000, vec![item(name, 0, 240_000)]);
        plan.loudness = Some(loudness());
        plan.recipe = recipe(SoundCodec::Aac, RATE);
        let (path, output) = fixture.render(&plan, &format!("{name}.mp4"));
        let mut meter =
            ebur128::EbuR128::new(2, RATE, ebur128::Mode::I | ebur128::Mode::TRUE_PEAK).unwrap();
        meter.add_frames_f32(read(&path, 240_000).as_flattened()).unwrap();
        let measured = meter.loudness_global().unwrap();
        let peak = 20.0 * meter.true_peak(0).unwrap().max(meter.true_peak(1).unwrap()).log10();
        assert!((measured + 14.0).abs() < 0.5, "{name}: {measured} LUFS");
        assert!(peak < -0.9, "{name}: {peak} dBTP");
        assert!((output.loudness.unwrap() - measured).abs() < 0.3);
    }
}

#[test]
fn silence_and_sounds_under_three_seconds_stay_unchanged() {
    let mut fixture = SoundFixture::new();
    fixture.source("short", RATE, &tone(300.0, 0.01, 96_000, RATE));
    for plan in [sound(96_000, vec![item("short", 0, 96_000)]), sound(240_000, vec![])] {
        let plan = Sound { loudness: Some(loudness()), ..plan };
        let (_, output) = fixture.render(&plan, "out.wav");
        assert_eq!(output.gain, 0.0);
        assert_eq!(output.loudness, None);
    }
}

#[test]
fn volume_moves_and_fades_run_evenly() {
    let mut fixture = SoundFixture::new();
    fixture.source("flat", RATE, &vec![[0.5; 2]; 96_000]);
    let mut flat = item("flat", 0, 96_000);
    flat.volume = Curve::Tweens(vec![Tween {
        start: 24_000,
        length: 24_000,
        from: Micro::ONE,
        to: Micro::ZERO,
        easing: Easing::Linear,
    }]);
    flat.fade_in = 4_800;
    let cut = SoundItem {
        fade_in: 9_600,
        fade_in_before: 4_800,
        fade_out: 24_000,
        fade_out_after: 12_000,
        ..item("flat", 0, 48_000)
    };
    let (path, _) = fixture.render(&sound(48_000, vec![cut]), "cut.wav");
    let samples = read(&path, 48_000);
    for (at, expected) in
        [(0, 0.25), (2_400, 0.375), (4_800, 0.5), (36_000, 0.5), (42_000, 0.375), (47_999, 0.25)]
    {
        assert!((samples[at][0] - expected).abs() < 2e-3, "cut, at {at}: {}", samples[at][0]);
    }
    let (path, _) = fixture.render(&sound(96_000, vec![flat]), "out.wav");
    let samples = read(&path, 96_000);
    for (at, expected) in
        [(0, 0.0), (2_400, 0.25), (4_800, 0.5), (24_000, 0.5), (36_000, 0.25), (60_000, 0.0)]
    {
        assert!((samples[at][0] - expected).abs() < 2e-3, "at {at}: {}", samples[at][0]);
    }
}

#[test]
fn double_speed_halves_the_time_and_keeps_the_pitch() {
    let mut fixture = SoundFixture::new();
    fixture.source("tone", RATE, &tone(480.0, 0.5, 192_000, RATE));
    let mut fast = item("tone", 0, 90_000);
    fast.speed = Ratio::whole(2);
    let (path, _) = fixture.render(&sound(96_000, vec![fast]), "out.wav");
    let samples = read(&path, 96_000);
    let crossings = samples[10_000..58_000]
        .windows(2)
        .filter(|pair| pair[0][0] <= 0.0 && pair[1][0] > 0.0)
        .count();
    assert!((470..=490).contains(&crossings), "{crossings} Hz");
    assert!(level(&samples[70_000..89_000]) > 0.3);
    assert!(level(&samples[91_000..]) < 1e-4);
}

#[test]
fn a_start_far_into_an_mp4_is_the_same_as_reading_up_to_it() {
    let mut fixture = SoundFixture::new();
    let sweep: Vec<Stereo> =
        (0..RATE as usize * 20).map(|n| [((n as f32).powi(2) * 1e-8).sin() * 0.5; 2]).collect();
    fixture.source("sweep", RATE, &sweep);
    let mut plan = sound(sweep.len() as u64, vec![item("sweep", 0, sweep.len() as u64)]);
    plan.recipe = recipe(SoundCodec::Aac, RATE);
    let (path, _) = fixture.render(&plan, "sweep.mp4");
    let from = 15 * RATE as usize + 123;
    let whole = read(&path, sweep.len());
    let mut part = vec![[0.0; 2]; 10_000];
    SoundReader::open(&path, 0, RATE, from as i64).unwrap().fill(&mut part).unwrap();
    let worst = part
        .iter()
        .zip(&whole[from..])
        .map(|(part, whole)| (part[0] - whole[0]).abs())
        .fold(0.0_f32, f32::max);
    assert!(worst < 1e-4, "{worst}");
}

#[test]
fn a_source_without_a_file_is_named() {
    let fixture = SoundFixture::new();
    let plan = sound(1_000, vec![item("nowhere", 0, 1_000)]);
    let error = render(&plan, &fixture.files, &fixture.path("out.wav"), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("nowhere"));
}
