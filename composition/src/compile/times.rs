//! Places every clip on the output's clock: the frame grid, or the samples if it is sound alone.
//!
//! Times are exact fractions until here. Each start and end snaps by itself (halves go up), so
//! clips that meet in seconds also meet in frames. With pictures, sound begins with the frame of
//! its clip, so that what belongs together is seen and heard at once.

use super::captions;
use super::context::CompileContext;
use super::output::has_pictures;
use super::sound::{SAMPLE_RATE, sample_at};
use crate::composition::Clip;
use crate::document::Decimal;
use crate::limits::MAX_SECONDS;
use crate::plan::{Rate, Ratio, Span};
use crate::syntax::{Asset, Length, Start};

/// The length of a clip whose asset has none of its own, in seconds.
const STILL: Ratio = Ratio::whole(3);

/// A clip, its frames and its samples on the timeline.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub clip: &'a Clip,
    /// The clip's track; 0 is the top.
    pub track: usize,
    /// The clip's frames on the timeline; never empty if the output has pictures.
    pub span: Span,
    /// The clip's samples on the timeline; never empty.
    pub samples: Span,
}

/// All clips on the clock, and the range to render.
pub(super) struct Timing<'a> {
    /// Every clip that has a frame, or a sample of sound alone, top track first.
    pub placed: Vec<Placed<'a>>,
    /// The frames of the timeline that are rendered.
    pub window: Span,
    /// The samples of the timeline that are rendered.
    pub samples: Span,
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
    let clock = Clock::of(context);
    let whole = clock.whole(end);
    let placed: Vec<Placed> =
        timed.iter().filter_map(|clip| place(context, clip, clock, whole)).collect();
    let (window, samples) = window(context, clock, whole)?;
    Some(Timing { placed, window, samples })
}

/// The clock of the output: its frames, or its samples if it is sound alone.
#[derive(Clone, Copy)]
struct Clock {
    rate: Rate,
    with_pictures: bool,
}

/// A stretch of the timeline, in frames and in samples.
#[derive(Clone, Copy)]
struct Stretch {
    frames: Span,
    samples: Span,
}

impl Clock {
    fn of(context: &CompileContext) -> Self {
        Self {
            rate: context.composition.canvas.rate,
            with_pictures: has_pictures(context.composition.output.format),
        }
    }

    /// The whole timeline, of at least one frame and one sample.
    fn whole(self, end: Ratio) -> Stretch {
        let to = self.rate.frame_at(end).max(1);
        let samples =
            if self.with_pictures { self.frame_sample(to) } else { sample_at(end).max(1) };
        Stretch { frames: Span { from: 0, to }, samples: Span { from: 0, to: samples } }
    }

    /// The stretch between two times.
    fn between(self, from: Ratio, to: Ratio) -> Stretch {
        let frames = Span { from: self.rate.frame_at(from), to: self.rate.frame_at(to) };
        let samples = if self.with_pictures {
            self.frame_samples(frames)
        } else {
            Span { from: sample_at(from), to: sample_at(to) }
        };
        Stretch { frames, samples }
    }

    fn frame_sample(self, frame: u64) -> u64 {
        self.rate.samples(frame, SAMPLE_RATE)
    }

    fn frame_samples(self, frames: Span) -> Span {
        Span { from: self.frame_sample(frames.from), to: self.frame_sample(frames.to) }
    }

    /// Returns whether a stretch has nothing that the output could hold.
    fn is_empty(self, stretch: Stretch) -> bool {
        if self.with_pictures { stretch.frames.is_empty() } else { stretch.samples.is_empty() }
    }

    /// The end of a stretch, in seconds.
    fn end(self, stretch: Stretch) -> f64 {
        if self.with_pictures {
            self.rate.seconds(stretch.frames.to).to_f64()
        } else {
            stretch.samples.to as f64 / f64::from(SAMPLE_RATE)
        }
    }
}

/// The frames and samples of a clip. A clip without any gets a warning and is left out.
fn place<'a>(
    context: &mut CompileContext,
    timed: &Timed<'a>,
    clock: Clock,
    whole: Stretch,
) -> Option<Placed<'a>> {
    let mut stretch = clock.between(timed.start, timed.end.unwrap_or(timed.start));
    if timed.end.is_none() {
        (stretch.frames.to, stretch.samples.to) = (whole.frames.to, whole.samples.to);
    }
    if clock.is_empty(stretch) {
        context.warn(
            &timed.clip.pointer,
            "falls between two frames, or begins at the end, and does not show",
        );
        return None;
    }
    let Stretch { frames: span, samples } = stretch;
    Some(Placed { clip: timed.clip, track: timed.track, span, samples })
}

/// The frames and the samples of the timeline that are rendered.
fn window(context: &mut CompileContext, clock: Clock, whole: Stretch) -> Option<(Span, Span)> {
    let output = &context.composition.output;
    let until = output.length.map(|length| output.from.plus(length));
    let mut stretch = clock.between(output.from, until.unwrap_or(output.from));
    stretch.frames = at_least_one(stretch.frames, until.is_some(), whole.frames.to);
    stretch.samples = at_least_one(stretch.samples, until.is_some(), whole.samples.to);
    if clock.is_empty(stretch) {
        let (from, end) = (output.from.to_f64(), clock.end(whole));
        context.fault(
            "/output/range/start",
            format!("is {from} s, but the timeline ends at {end} s: start sooner"),
        );
        return None;
    }
    if super::output::is_one_picture(output.format) {
        stretch.frames.to = stretch.frames.from + 1;
    }
    if clock.with_pictures {
        // The sound is as long as the picture.
        let from = clock.frame_sample(stretch.frames.from);
        stretch.samples = Span { from, to: from + clock.frame_sample(stretch.frames.len()) };
    }
    Some((stretch.frames, stretch.samples))
}

/// Ends a range at the end of the timeline, or sooner if it has an end, but not before its first
/// step.
fn at_least_one(range: Span, has_end: bool, end: u64) -> Span {
    let to = if has_end { range.to.max(range.from + 1) } else { end };
    Span { to: to.min(end), ..range }
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
