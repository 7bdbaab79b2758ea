//! Every clip on the output's frame grid.
//!
//! Starts and ends are exact fractions until here, and each snaps by itself (halves go up), so that clips that meet in seconds meet
//! in frames.

use super::captions;
use super::desk::Desk;
use crate::composition::Clip;
use crate::document::Decimal;
use crate::limits::MAX_SECONDS;
use crate::plan::{Rate, Ratio, Span};
use crate::written::{Asset, Length, Start};

/// How long a clip lasts whose asset has no length of its own, in seconds.
const STILL: Ratio = Ratio::whole(3);

/// A clip and the frames of the timeline that it spans.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub clip: &'a Clip,
    /// Its track, 0 being the top.
    pub track: usize,
    /// Frames of the timeline; never empty.
    pub span: Span,
}

/// When everything is.
pub(super) struct Timing<'a> {
    /// Every clip that has a frame, top track first.
    pub placed: Vec<Placed<'a>>,
    /// The frames of the timeline that are made.
    pub window: Span,
}

/// A clip with times in seconds, the end of an `end` clip not known yet.
struct Timed<'a> {
    clip: &'a Clip,
    track: usize,
    start: Ratio,
    end: Option<Ratio>,
}

/// Resolves `auto` and `end`, snaps to the grid, cuts to the range. None where that can't be done, the faults being told.
pub(super) fn resolve<'a>(desk: &mut Desk<'a>) -> Option<Timing<'a>> {
    let composition = desk.composition;
    let mut timed = Vec::new();
    for (track, clips) in composition.tracks.iter().enumerate() {
        time_track(desk, track, clips, &mut timed);
    }
    let end = timed.iter().filter_map(|clip| clip.end).max();
    let Some(end) = end else {
        desk.fault("/timeline", "has no end, because no clip says how long it lasts: give one a `length` in seconds");
        return None;
    };
    if end > Ratio::whole(MAX_SECONDS) {
        desk.fault("/timeline", format!("lasts {} s: at most {MAX_SECONDS} s are made", end.to_f64()));
        return None;
    }
    let rate = composition.canvas.rate;
    let placed: Vec<Placed> = timed.iter().filter_map(|clip| place(desk, clip, end, rate)).collect();
    let window = window(desk, rate.frame_at(end).max(1))?;
    Some(Timing { placed, window })
}

fn time_track<'a>(desk: &mut Desk<'a>, track: usize, clips: &'a [Clip], timed: &mut Vec<Timed<'a>>) {
    let mut before = Some(Ratio::ZERO);
    for clip in clips {
        let start = match (clip.written.start, before) {
            (Some(Start::At(seconds)), _) => seconds.0,
            (Some(Start::Auto) | None, Some(end)) => end,
            (Some(Start::Auto) | None, None) => {
                desk.fault(clip.at("/start"), "follows a clip that lasts to the end: give it seconds");
                continue;
            }
        };
        let length = match clip.written.length {
            Some(Length::Of(seconds)) => Some(seconds.0),
            Some(Length::End) => None,
            Some(Length::Auto) | None => match own_length(desk, clip, start) {
                Some(length) => Some(length),
                None => continue,
            },
        };
        let end = length.map(|length| start.plus(length));
        timed.push(Timed { clip, track, start, end });
        before = end;
    }
}

/// The span of a clip; none, with a warning, where it has no frame.
fn place<'a>(desk: &mut Desk, timed: &Timed<'a>, end: Ratio, rate: Rate) -> Option<Placed<'a>> {
    let span = Span { from: rate.frame_at(timed.start), to: rate.frame_at(timed.end.unwrap_or(end)) };
    if span.is_empty() {
        desk.warn(&timed.clip.pointer, "falls between two frames, or begins at the end, and does not show");
        return None;
    }
    Some(Placed { clip: timed.clip, track: timed.track, span })
}

/// The part of the timeline that is made, in frames.
fn window(desk: &mut Desk, frames: u64) -> Option<Span> {
    let output = &desk.composition.output;
    let rate = desk.composition.canvas.rate;
    let from = rate.frame_at(output.from);
    let to = output.length.map_or(frames, |length| rate.frame_at(output.from.plus(length)).max(from + 1)).min(frames);
    if to <= from {
        let end = rate.seconds(frames).to_f64();
        desk.fault(
            "/output/range/start",
            format!("is {} s, but the timeline ends at {end} s: start sooner", output.from.to_f64()),
        );
        return None;
    }
    let only_one = super::output::is_one_picture(output.format);
    Some(Span { from, to: if only_one { from + 1 } else { to } })
}

/// How long a clip's asset lasts by itself, in seconds of the timeline; none where a fault says why not.
fn own_length(desk: &mut Desk, clip: &Clip, start: Ratio) -> Option<Ratio> {
    match &clip.written.asset {
        Asset::Video(video) => played_length(desk, clip, video.trim, video.speed),
        Asset::Audio(audio) => played_length(desk, clip, audio.trim, audio.speed),
        Asset::Luma(luma) => picture_length(desk, clip, luma.trim, luma.speed),
        Asset::Image(_) => picture_length(desk, clip, None, None),
        Asset::Speech(_) => played_length(desk, clip, None, None),
        Asset::Waveform(wave) => match desk.target(clip) {
            Some(target) => followed_length(desk, clip, target, start),
            None => played_length(desk, clip, wave.trim, None),
        },
        Asset::Caption(caption) | Asset::RichCaption(caption) => {
            let end = captions::end_of(desk, clip, caption, start)?;
            if end <= Ratio::ZERO {
                desk.fault(clip.at("/asset"), "has no captions, so no length: give the clip a `length`");
                return None;
            }
            Some(end)
        }
        Asset::Text(_) | Asset::RichText(_) | Asset::Shape(_) | Asset::Color(_) | Asset::Gradient(_) => Some(STILL),
    }
}

fn picture_length(desk: &mut Desk, clip: &Clip, trim: Option<Decimal>, speed: Option<Decimal>) -> Option<Ratio> {
    let facts = desk.facts_of(clip)?;
    if facts.image || facts.duration.is_none() { Some(STILL) } else { played_length(desk, clip, trim, speed) }
}

/// What is left of a source behind the trim, at its speed.
fn played_length(desk: &mut Desk, clip: &Clip, trim: Option<Decimal>, speed: Option<Decimal>) -> Option<Ratio> {
    let facts = desk.facts_of(clip)?;
    let Some(duration) = facts.duration.filter(|duration| *duration > Ratio::ZERO) else {
        desk.fault(clip.at("/length"), "is `auto`, but the source does not say how long it is: give seconds");
        return None;
    };
    let left = duration.minus(trim.map_or(Ratio::ZERO, |trim| trim.0));
    if left <= Ratio::ZERO {
        desk.fault(clip.at("/asset/trim"), format!("leaves nothing of a source of {} s: trim less", duration.to_f64()));
        return None;
    }
    left.over(speed.map_or(Ratio::ONE, |speed| speed.0))
}

/// As long as the clip it follows is heard after its own start.
fn followed_length(desk: &mut Desk, clip: &Clip, target: &Clip, start: Ratio) -> Option<Ratio> {
    let begins = begins(desk, target)?;
    let length = match target.written.length {
        Some(Length::Of(seconds)) => seconds.0,
        _ => own_length(desk, target, begins)?,
    };
    let left = begins.plus(length).minus(start);
    if left <= Ratio::ZERO {
        desk.fault(clip.at("/length"), "is `auto`, but the clip it follows has ended by then: give seconds");
        return None;
    }
    Some(left)
}

/// How deep clips may wait for each other before it is taken for a circle.
const DEPTH: usize = 8;

/// When a clip begins, in seconds of the timeline, whichever track it is on. None where a fault says why not.
pub(super) fn begins(desk: &mut Desk, clip: &Clip) -> Option<Ratio> {
    if let Some(Start::At(seconds)) = clip.written.start {
        return Some(seconds.0);
    }
    if desk.waiting >= DEPTH {
        desk.fault(clip.at("/start"), "is `auto`, but the clip it comes after waits for this one: give seconds");
        return None;
    }
    desk.waiting += 1;
    let begins = walked(desk, clip);
    desk.waiting -= 1;
    begins
}

/// The start of a clip by going along its track up to it.
fn walked(desk: &mut Desk, clip: &Clip) -> Option<Ratio> {
    let track = desk.composition.tracks.iter().find(|track| track.iter().any(|other| other.pointer == clip.pointer))?;
    let mut at = Ratio::ZERO;
    for other in track {
        let start = match other.written.start {
            Some(Start::At(seconds)) => seconds.0,
            Some(Start::Auto) | None => at,
        };
        if other.pointer == clip.pointer {
            return Some(start);
        }
        at = match other.written.length {
            Some(Length::Of(seconds)) => start.plus(seconds.0),
            // What begins after a clip that lasts to the end is a fault of its own.
            Some(Length::End) => start,
            Some(Length::Auto) | None => start.plus(own_length(desk, other, start)?),
        };
    }
    None
}
