//! Places every clip on the frame grid of the output.
//!
//! Times are exact fractions until here. Each start and end snaps by itself (halves go up), so
//! clips that meet in seconds also meet in frames.

use super::captions;
use super::context::CompileContext;
use crate::composition::Clip;
use crate::document::Decimal;
use crate::limits::MAX_SECONDS;
use crate::plan::{Rate, Ratio, Span};
use crate::syntax::{Asset, Length, Start};

/// The length of a clip whose asset has none of its own, in seconds.
const STILL: Ratio = Ratio::whole(3);

/// A clip and its frames on the timeline.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub clip: &'a Clip,
    /// The clip's track; 0 is the top.
    pub track: usize,
    /// The clip's frames on the timeline; never empty.
    pub span: Span,
}

/// All clips in frames, and the range to render.
pub(super) struct Timing<'a> {
    /// Every clip that has a frame, top track first.
    pub placed: Vec<Placed<'a>>,
    /// The frames of the timeline that are rendered.
    pub window: Span,
}

/// A clip with times in seconds. The end of a clip of length `end` is not known yet.
struct Timed<'a> {
    clip: &'a Clip,
    track: usize,
    start: Ratio,
    end: Option<Ratio>,
}

/// Resolves `auto` and `end`, snaps to the grid and cuts to the range. Returns none after a fault.
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
        // If a length could not be found, that fault is reported already; this one would only
        // follow from it.
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

/// The frames of a clip. A clip without a frame gets a warning and is left out.
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

/// The frames of the timeline that are rendered.
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

/// The length of a clip's asset, in seconds of the timeline. Returns none after a fault.
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

/// The length of a source after its trim, at its speed.
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

/// The time from the clip's start to the end of the clip it follows.
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

/// A clip's start or length during its lookup.
#[derive(Clone, Copy)]
pub(super) enum Lookup<T> {
    /// The lookup is running. Meeting it again means that the clip depends on itself.
    InProgress,
    /// The lookup has ended; none after a fault.
    Done(Option<T>),
}

/// The start of a clip, in seconds of the timeline. Returns none after a fault.
///
/// A clip may follow another (`alias://`) whose start is `auto` on another track, so starts are
/// looked up in any order, and each is computed once.
pub(super) fn begins(context: &mut CompileContext, clip: &Clip) -> Option<Ratio> {
    let mut waiting = Vec::new();
    let mut at = clip;
    // A loop back to a clip with a known start, and forward again: recursion over a long track
    // would overflow the stack.
    let start = loop {
        match (at.written.start, context.starts.get(at.pointer.as_str())) {
            (Some(Start::At(seconds)), _) => break Some(seconds.0),
            (_, Some(Lookup::Done(start))) => break *start,
            (_, Some(Lookup::InProgress)) => {
                context.fault(
                    at.at("/start"),
                    "is `auto`, but what it comes after waits for this clip: give seconds",
                );
                break None;
            }
            (_, None) => {}
        }
        context.starts.insert(at.pointer.clone(), Lookup::InProgress);
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
        context.starts.insert(clip.pointer.clone(), Lookup::Done(found));
        before = Some(clip);
    }
    found
}

/// The start of a clip that comes right after one that begins at `start`.
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

/// The length of a clip, in seconds. The inner none is a clip that lasts to the end; the outer none
/// follows a fault.
fn length(context: &mut CompileContext, clip: &Clip) -> Option<Option<Ratio>> {
    match clip.written.length {
        Some(Length::Of(seconds)) => return Some(Some(seconds.0)),
        Some(Length::End) => return Some(None),
        Some(Length::Auto) | None => {}
    }
    let found = match context.lengths.get(clip.pointer.as_str()) {
        Some(Lookup::Done(length)) => *length,
        Some(Lookup::InProgress) => {
            context.fault(
                clip.at("/length"),
                "is `auto`, but what it follows waits for this clip: give seconds",
            );
            None
        }
        None => {
            context.lengths.insert(clip.pointer.clone(), Lookup::InProgress);
            let length = begins(context, clip).and_then(|start| own_length(context, clip, start));
            context.lengths.insert(clip.pointer.clone(), Lookup::Done(length));
            length
        }
    };
    found.map(Some)
}
