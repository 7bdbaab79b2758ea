//! Compiles the sound, on a clock of samples.

use super::context::{CompileContext, stream};
use super::curves::CurveBuilder;
use super::times::{Placed, Timing};
use crate::document::{Decimal, Flag, Moving};
use crate::plan::{
    AudioFacts, Curve, Easing, Facts, Format, Micro, Ratio, Role, Sound, SoundCodec, SoundItem,
    SoundRecipe, Span, Tween,
};
use crate::syntax::{Asset, FadeEffect, RoleName, Soundtrack};

/// Samples per second of all sound that Spool makes.
pub(super) const SAMPLE_RATE: u32 = 48_000;
/// The length of a fade that is given by name, in samples: two seconds.
const NAMED_FADE: u64 = 2 * SAMPLE_RATE as u64;

/// The sample nearest to a time; halves go up. A time before zero gives sample zero.
pub(super) fn sample_at(seconds: Ratio) -> u64 {
    u64::try_from(seconds.times(Ratio::whole(i64::from(SAMPLE_RATE))).round_half_up()).unwrap_or(0)
}

/// The sound of the output range; none if it is silent.
pub(super) fn mix(context: &mut CompileContext, timing: &Timing) -> Option<Sound> {
    let output = &context.composition.output;
    let codec = codec(output.format).filter(|_| !output.mute)?;
    let range = timing.samples;
    let mut items: Vec<SoundItem> =
        timing.placed.iter().filter_map(|placed| clip_item(context, range, placed)).collect();
    items.extend(soundtrack_items(context, range));
    items.retain(|item| item.samples > 0 && item.volume != Curve::Still(Micro::ZERO));
    items.sort_by_key(|item| item.start);
    if items.is_empty() {
        return None;
    }
    let has = |role: Role| items.iter().any(|item| item.role == role);
    let ducks = has(Role::Voice) && has(Role::Music);
    Some(Sound {
        samples: range.len(),
        ducking: context.composition.ducking.filter(|_| ducks),
        items,
        loudness: output.loudness,
        recipe: SoundRecipe { codec, bitrate: bitrate(codec), rate: SAMPLE_RATE, channels: 2 },
    })
}

/// The sound codec of a format; none if the format has no sound.
pub(super) fn codec(format: Format) -> Option<SoundCodec> {
    match format {
        Format::Mp4 => Some(SoundCodec::Aac),
        Format::Webm => Some(SoundCodec::Opus),
        Format::Mp3 => Some(SoundCodec::Mp3),
        Format::Wav => Some(SoundCodec::Pcm16),
        Format::Gif | Format::Jpg | Format::Png | Format::Webp => None,
    }
}

/// The bit rate beyond which no difference is heard.
fn bitrate(codec: SoundCodec) -> u32 {
    match codec {
        SoundCodec::Aac | SoundCodec::Mp3 => 192_000,
        SoundCodec::Opus => 128_000,
        SoundCodec::Pcm16 => 1_536_000,
    }
}

/// The sound settings of any asset.
struct SoundSettings<'a> {
    trim: Option<Decimal>,
    speed: Option<Decimal>,
    volume: Option<&'a Moving>,
    effect: Option<FadeEffect>,
    fade_in: Option<Decimal>,
    fade_out: Option<Decimal>,
    role: Option<RoleName>,
    default_role: Role,
}

fn settings_of(asset: &Asset) -> Option<SoundSettings<'_>> {
    match asset {
        Asset::Video(video) => Some(SoundSettings {
            trim: video.trim,
            speed: video.speed,
            volume: video.volume.as_ref(),
            effect: video.volume_effect,
            fade_in: video.fade_in,
            fade_out: video.fade_out,
            role: video.role,
            default_role: Role::Effect,
        }),
        Asset::Audio(audio) => Some(SoundSettings {
            trim: audio.trim,
            speed: audio.speed,
            volume: audio.volume.as_ref(),
            effect: audio.effect,
            fade_in: audio.fade_in,
            fade_out: audio.fade_out,
            role: audio.role,
            default_role: Role::Effect,
        }),
        Asset::Speech(speech) => Some(SoundSettings {
            trim: None,
            speed: None,
            volume: speech.volume.as_ref(),
            effect: None,
            fade_in: speech.fade_in,
            fade_out: speech.fade_out,
            role: speech.role,
            default_role: Role::Voice,
        }),
        _ => None,
    }
}

fn clip_item(context: &mut CompileContext, range: Span, placed: &Placed) -> Option<SoundItem> {
    let settings = settings_of(&placed.clip.written.asset)?;
    let Some((facts, audio)) = context.sound_of(placed.clip) else {
        if !matches!(placed.clip.written.asset, Asset::Video(_)) {
            context.fault(placed.clip.at("/asset/src"), "has no sound: name a file that has");
        }
        return None;
    };
    let trim = settings.trim.map_or(Ratio::ZERO, |trim| trim.0);
    if facts.duration.is_some_and(|duration| duration <= trim) {
        context.fault(
            placed.clip.at("/asset/trim"),
            format!("is {} s, past the end of the source: trim less", trim.to_f64()),
        );
        return None;
    }
    item(range, placed.samples, &settings, facts, audio)
}

/// A sound that is heard in `span` of the timeline's samples, cut to the range and on its clock.
fn item(
    range: Span,
    span: Span,
    settings: &SoundSettings,
    facts: &Facts,
    audio: &AudioFacts,
) -> Option<SoundItem> {
    let heard = span.meet(range);
    if heard.is_empty() {
        return None;
    }
    let whole = span.len();
    let (fade_in, fade_out) = fades(settings, whole);
    let speed = settings.speed.map_or(Ratio::ONE, |speed| speed.0);
    let full = SoundItem {
        source: stream(facts, audio.index),
        start: heard.from - range.from,
        samples: whole,
        trim: settings.trim.map_or(Ratio::ZERO, |trim| trim.0),
        speed,
        volume: volume(settings.volume, whole),
        fade_in,
        fade_in_before: 0,
        fade_out,
        fade_out_after: 0,
        role: settings.role.map_or(settings.default_role, role),
    };
    Some(cut_to(full, heard.from - span.from, heard.len()))
}

fn volume(written: Option<&Moving>, samples: u64) -> Curve {
    CurveBuilder { value: &Ratio::to_micro, tick: &sample_at, ticks: samples }
        .curve(written, Ratio::ONE)
}

/// The lengths of the fades in samples, together no longer than the sound.
fn fades(settings: &SoundSettings, samples: u64) -> (u64, u64) {
    let named =
        |ends: [FadeEffect; 2]| settings.effect.is_some_and(|effect| ends.contains(&effect));
    let length = |own: Option<Decimal>, named: bool| match own {
        Some(seconds) => sample_at(seconds.0).min(samples),
        None if named => NAMED_FADE.min(samples / 2),
        None => 0,
    };
    let fade_in = length(settings.fade_in, named([FadeEffect::FadeIn, FadeEffect::FadeInFadeOut]));
    let fade_out =
        length(settings.fade_out, named([FadeEffect::FadeOut, FadeEffect::FadeInFadeOut]));
    (fade_in, fade_out.min(samples - fade_in))
}

fn role(name: RoleName) -> Role {
    match name {
        RoleName::Voice => Role::Voice,
        RoleName::Music => Role::Music,
        RoleName::Effect => Role::Effect,
    }
}

/// Cuts an item to `left` samples after its first `cut`. A fade or tween that is cut at its start
/// goes on from where it was; one that is cut at its end stops where it would have been.
fn cut_to(item: SoundItem, cut: u64, left: u64) -> SoundItem {
    let after = item.samples.saturating_sub(cut + left);
    let passed =
        Ratio::new(cut as i64, i64::from(SAMPLE_RATE)).unwrap_or(Ratio::ZERO).times(item.speed);
    let part = |fade: u64, lost: u64| if lost < fade { (fade, lost) } else { (0, 0) };
    let (fade_in, fade_in_before) = part(item.fade_in, cut);
    let (fade_out, fade_out_after) = part(item.fade_out, after);
    SoundItem {
        samples: left,
        trim: item.trim.plus(passed),
        volume: if cut == 0 { item.volume } else { later(&item.volume, cut) },
        fade_in,
        fade_in_before,
        fade_out,
        fade_out_after,
        ..item
    }
}

/// The same curve on a clock that starts `cut` ticks later.
fn later(curve: &Curve, cut: u64) -> Curve {
    let Curve::Tweens(tweens) = curve else { return curve.clone() };
    let begun = tweens.iter().rposition(|tween| tween.start <= cut).unwrap_or(0);
    let kept = tweens.iter().skip(begun).map(|tween| match cut.checked_sub(tween.start) {
        None => Tween { start: tween.start - cut, ..*tween },
        Some(0) => Tween { start: 0, ..*tween },
        Some(passed) => Tween {
            start: 0,
            length: tween.length.saturating_sub(passed),
            from: Micro::from_f64(curve.value_at(cut)),
            easing: Easing::Linear,
            ..*tween
        },
    });
    Curve::Tweens(kept.collect())
}

/// The soundtrack from the timeline's start to its end. If it repeats, each round is an item.
fn soundtrack_items(context: &mut CompileContext, range: Span) -> Vec<SoundItem> {
    let Some(track) = &context.composition.soundtrack else { return Vec::new() };
    let pointer = "/timeline/soundtrack/src";
    let Some(facts) = context.facts_at(&track.src, pointer) else { return Vec::new() };
    let Some(audio) = facts.audio.first() else {
        context.fault(pointer, "has no sound: name a file that has");
        return Vec::new();
    };
    let span = Span { from: 0, to: range.to };
    let settings = soundtrack_settings(track);
    let Some(whole) = item(range, span, &settings, facts, audio) else { return Vec::new() };
    // The picture of a video that is used as music may last longer than its sound.
    let end = audio.duration.map(|length| audio.start.plus(length)).or(facts.duration);
    match (track.repeat, end) {
        (Some(Flag(true)), Some(duration)) if duration > whole.trim => {
            repeated(whole, track, duration)
        }
        _ => vec![whole],
    }
}

fn soundtrack_settings(track: &Soundtrack) -> SoundSettings<'_> {
    SoundSettings {
        trim: track.trim,
        speed: None,
        volume: track.volume.as_ref(),
        effect: track.effect,
        fade_in: None,
        fade_out: None,
        role: track.role,
        default_role: Role::Music,
    }
}

/// The rounds of a repeated soundtrack, end to end. Its fades belong to the first and the last.
fn repeated(whole: SoundItem, track: &Soundtrack, duration: Ratio) -> Vec<SoundItem> {
    let again = track.trim.map_or(Ratio::ZERO, |trim| trim.0);
    let samples_of = |seconds: Ratio| {
        u64::try_from(seconds.times(Ratio::whole(i64::from(SAMPLE_RATE))).floor())
            .unwrap_or(0)
            .max(u64::from(SAMPLE_RATE) / 10)
    };
    let mut rounds = Vec::new();
    let (mut at, mut trim) = (0, whole.trim);
    while at < whole.samples {
        let samples = samples_of(duration.minus(trim)).min(whole.samples - at);
        let last = at + samples == whole.samples;
        rounds.push(SoundItem {
            start: whole.start + at,
            samples,
            trim,
            volume: later(&whole.volume, at),
            fade_in: if at == 0 { whole.fade_in.min(samples) } else { 0 },
            fade_in_before: if at == 0 { whole.fade_in_before } else { 0 },
            fade_out: if last { whole.fade_out.min(samples) } else { 0 },
            fade_out_after: if last { whole.fade_out_after } else { 0 },
            ..whole.clone()
        });
        at += samples;
        trim = again;
    }
    rounds
}
