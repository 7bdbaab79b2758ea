//! Every clip on the output's frame grid.
//!
//! Starts and ends are exact fractions until here, and each snaps by itself (halves go up), so that clips that meet in seconds meet
//! in frames.

use super::captions;
use super::context::CompileContext;
use crate::composition::Clip;
use crate::document::Decimal;
use crate::limits::MAX_SECONDS;
use crate::plan::{Rate, Ratio, Span};
use crate::syntax::{Asset, Length, Start};

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
pub(super) fn resolve<'a>(context: &mut CompileContext<'a>) -> Option<Timing<'a>> {
    let composition = context.composition;
    let (mut timed, mut all_known) = (Vec::new(), true);
    for (track, clips) in composition.tracks.iter().enumerate() {
        for clip in clips {
            let Some((start, length)) = begins(context, clip).zip(length(context, clip)) else {
                all_known = false;
                continue;
            };
            let end = length.map(|length| start.plus(length));
            timed.push(Timed { clip, track, start, end });
        }
    }
    let end = timed.iter().filter_map(|clip| clip.end).max();
    let Some(end) = end else {
        // Where a length could not be found out, that is the fault, and this only follows from it.
        if !all_known {
            return None;
        }
        context.fault(
            "/timeline",
            "has no end, because no clip says how long it lasts: give one a `length` in seconds",
        );
        return None;
    };
    if end > Ratio::whole(MAX_SECONDS) {
        context.fault(
            "/timeline",
            format!("lasts {} s: at most {MAX_SECONDS} s are made", end.to_f64()),
        );
        return None;
    }
    let rate = composition.canvas.rate;
    let placed: Vec<Placed> =
        timed.iter().filter_map(|clip| place(context, clip, end, rate)).collect();
    let window = window(context, rate.frame_at(end).max(1))?;
    Some(Timing { placed, window })
}

/// The span of a clip; none, with a warning, where it has no frame.
fn place<'a>(
    context: &mut CompileContext,
    timed: &Timed<'a>,
    end: Ratio,
    rate: Rate,
) -> Option<Placed<'a>> {
    let span =
        Span { from: rate.frame_at(timed.start), to: rate.frame_at(timed.end.unwrap_or(end)) };
    if span.is_empty() {
        context.warn(
            &timed.clip.pointer,
            "falls between two frames, or begins at the end, and does not show",
        );
        return None;
    }
    Some(Placed { clip: timed.clip, track: timed.track, span })
}

/// The part of the timeline that is made, in frames.
fn window(context: &mut CompileContext, frames: u64) -> Option<Span> {
    let output = &context.composition.output;
    let rate = context.composition.canvas.rate;
    let from = rate.frame_at(output.from);
    let to = output
        .length
        .map_or(frames, |length| rate.frame_at(output.from.plus(length)).max(from + 1))
        .min(frames);
    if to <= from {
        let end = rate.seconds(frames).to_f64();
        context.fault(
            "/output/range/start",
            format!(
                "is {} s, but the timeline ends at {end} s: start sooner",
                output.from.to_f64()
            ),
        );
        return None;
    }
    let only_one = super::output::is_one_picture(output.format);
    Some(Span { from, to: if only_one { from + 1 } else { to } })
}

/// How long a clip's asset lasts by itself, in seconds of the timeline; none where a fault says why not.
fn own_length(context: &mut CompileContext, clip: &Clip, start: Ratio) -> Option<Ratio> {
    match &clip.written.asset {
        Asset::Video(video) => played_length(context, clip, video.trim, video.speed),
        Asset::Audio(audio) => played_length(context, clip, audio.trim, audio.speed),
        Asset::Luma(luma) => picture_length(context, clip, luma.trim, luma.speed),
        Asset::Image(_) => picture_length(context, clip, None, None),
        Asset::Speech(_) => played_length(context, clip, None, None),
        Asset::Waveform(wave) => match context.target(clip) {
            Some(target) => followed_length(context, clip, target, start),
            None => played_length(context, clip, wave.trim, None),
        },
        Asset::Caption(caption) | Asset::RichCaption(caption) => {
            let end = captions::end_of(context, clip, caption, start)?;
            if end <= Ratio::ZERO {
                context.fault(
                    clip.at("/asset"),
                    "has no captions, so no length: give the clip a `length`",
                );
                return None;
            }
            Some(end)
        }
        Asset::Text(_)
        | Asset::RichText(_)
        | Asset::Shape(_)
        | Asset::Color(_)
        | Asset::Gradient(_) => Some(STILL),
    }
}

fn picture_length(
    context: &mut CompileContext,
    clip: &Clip,
    trim: Option<Decimal>,
    speed: Option<Decimal>,
) -> Option<Ratio> {
    let facts = context.facts_of(clip)?;
    if facts.image || facts.duration.is_none() {
        Some(STILL)
    } else {
        played_length(context, clip, trim, speed)
    }
}

/// What is left of a source behind the trim, at its speed.
fn played_length(
    context: &mut CompileContext,
    clip: &Clip,
    trim: Option<Decimal>,
    speed: Option<Decimal>,
) -> Option<Ratio> {
    let facts = context.facts_of(clip)?;
    let Some(duration) = facts.duration.filter(|duration| *duration > Ratio::ZERO) else {
        context.fault(
            clip.at("/length"),
            "is `auto`, but the source does not say how long it is: give seconds",
        );
        return None;
    };
    let left = duration.minus(trim.map_or(Ratio::ZERO, |trim| trim.0));
    if left <= Ratio::ZERO {
        context.fault(
            clip.at("/asset/trim"),
            format!("leaves nothing of a source of {} s: trim less", duration.to_f64()),
        );
        return None;
    }
    left.over(speed.map_or(Ratio::ONE, |speed| speed.0))
}

/// As long as the clip it follows is heard after its own start.
fn followed_length(
    context: &mut CompileContext,
    clip: &Clip,
    target: &Clip,
    start: Ratio,
) -> Option<Ratio> {
    let begins = begins(context, target)?;
    let Some(length) = length(context, target)? else {
        context.fault(
            clip.at("/length"),
            "is `auto`, but the clip it follows lasts to the end: write `end`",
        );
        return None;
    };
    let left = begins.plus(length).minus(start);
    if left <= Ratio::ZERO {
        context.fault(
            clip.at("/length"),
            "is `auto`, but the clip it follows has ended by then: give seconds",
        );
        return None;
    }
    Some(left)
}

/// What is known of a clip's start or length.
#[derive(Clone, Copy)]
pub(super) enum Known<T> {
    /// It is being found out: whoever asks meanwhile waits for himself.
    Open,
    /// It is this; none where a fault says why not.
    Found(Option<T>),
}

/// When a clip begins, in seconds of the timeline, whichever track it is on. None where a fault says why not.
///
/// A clip may follow another (`alias://`) that comes `auto` after others on another track, so starts are asked for out of order;
/// each is found once.
pub(super) fn begins(context: &mut CompileContext, clip: &Clip) -> Option<Ratio> {
    let mut waiting = Vec::new();
    let mut at = clip;
    // Back to a clip whose start is known, and forward again, because a track may be longer than a stack is deep.
    let start = loop {
        match (at.written.start, context.starts.get(at.pointer.as_str())) {
            (Some(Start::At(seconds)), _) => break Some(seconds.0),
            (_, Some(Known::Found(start))) => break *start,
            (_, Some(Known::Open)) => {
                context.fault(
                    at.at("/start"),
                    "is `auto`, but what it comes after waits for this clip: give seconds",
                );
                break None;
            }
            (_, None) => {}
        }
        context.starts.insert(at.pointer.clone(), Known::Open);
        waiting.push(at);
        match context.before(at) {
            Some(before) => at = before,
            None => break Some(Ratio::ZERO),
        }
    };
    let mut found = start;
    let mut before =
        (at.pointer != waiting.last().map_or("", |first| &first.pointer)).then_some(at);
    for clip in waiting.into_iter().rev() {
        found = match before {
            None => found,
            Some(before) => follow(context, before, found, clip),
        };
        context.starts.insert(clip.pointer.clone(), Known::Found(found));
        before = Some(clip);
    }
    found
}

/// The start of a clip that comes after one that begins at `start`.
fn follow(
    context: &mut CompileContext,
    before: &Clip,
    start: Option<Ratio>,
    clip: &Clip,
) -> Option<Ratio> {
    let start = start?;
    match length(context, before)? {
        Some(length) => Some(start.plus(length)),
        None => {
            context
                .fault(clip.at("/start"), "follows a clip that lasts to the end: give it seconds");
            None
        }
    }
}

/// How long a clip lasts, in seconds: within, none for one that lasts to the end; none at all where a fault says why not.
fn length(context: &mut CompileContext, clip: &Clip) -> Option<Option<Ratio>> {
    match clip.written.length {
        Some(Length::Of(seconds)) => return Some(Some(seconds.0)),
        Some(Length::End) => return Some(None),
        Some(Length::Auto) | None => {}
    }
    let found = match context.lengths.get(clip.pointer.as_str()) {
        Some(Known::Found(length)) => *length,
        Some(Known::Open) => {
            context.fault(
                clip.at("/length"),
                "is `auto`, but what it follows waits for this clip: give seconds",
            );
            None
        }
        None => {
            context.lengths.insert(clip.pointer.clone(), Known::Open);
            let length = begins(context, clip).and_then(|start| own_length(context, clip, start));
            context.lengths.insert(clip.pointer.clone(), Known::Found(length));
            length
        }
    };
    found.map(Some)
}
