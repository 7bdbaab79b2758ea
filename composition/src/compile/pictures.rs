//! Compiles videos and images: how a source fits its box.

use super::context::{CompileContext, stream};
use super::look::Extent;
use super::times::Placed;
use crate::composition::Clip;
use crate::document::Decimal;
use crate::plan::{
    Asset, Backdrop, ChromaKey, Facts, Micro, Picture, Ratio, Rect, Source, Video, VideoFacts,
    WHOLE,
};
use crate::syntax::{ChromaKeyForm, Crop, Fit};

/// The way a video plays.
pub(super) struct Playback {
    /// Seconds skipped at the start.
    pub trim: Option<Decimal>,
    pub speed: Option<Decimal>,
    /// Set if the video starts again at its end.
    pub repeat: bool,
}

/// A video or an animated picture with its box; a still if the source is one.
pub(super) fn video(
    context: &mut CompileContext,
    placed: &Placed,
    crop: Option<&Crop>,
    playback: Playback,
) -> Option<(Asset, Extent)> {
    let (facts, video) = context.picture_of(placed.clip)?;
    let (picture, extent) = fitted(context, placed.clip, facts, video, crop);
    if facts.image {
        return Some((Asset::Image(picture), extent));
    }
    let trim = playback.trim.map_or(Ratio::ZERO, |trim| trim.0);
    let speed = playback.speed.map_or(Ratio::ONE, |speed| speed.0);
    check_reach(context, placed, facts, trim, speed, playback.repeat);
    let repeat = if playback.repeat { facts.duration } else { None };
    Some((
        Asset::Video(Video { picture, trim, speed, deinterlace: video.interlaced, repeat }),
        extent,
    ))
}

/// An image: a still, or an animated picture, which repeats.
pub(super) fn image(
    context: &mut CompileContext,
    placed: &Placed,
    crop: Option<&Crop>,
) -> Option<(Asset, Extent)> {
    video(context, placed, crop, Playback { trim: None, speed: None, repeat: true })
}

/// Reports a fault if the trim leaves nothing, and a warning if the source ends before the clip.
fn check_reach(
    context: &mut CompileContext,
    placed: &Placed,
    facts: &Facts,
    trim: Ratio,
    speed: Ratio,
    repeat: bool,
) {
    let Some(duration) = facts.duration.filter(|duration| *duration > Ratio::ZERO) else { return };
    if duration <= trim {
        let detail = format!(
            "is {} s, past the end of a source of {} s: trim less",
            trim.to_f64(),
            duration.to_f64()
        );
        context.fault(placed.clip.at("/asset/trim"), detail);
        return;
    }
    let rate = context.composition.canvas.rate;
    let needed = trim.plus(rate.seconds(placed.span.len().saturating_sub(1)).times(speed));
    if duration < needed && !repeat {
        let ends = duration.minus(trim).over(speed).map_or(0.0, Ratio::to_f64);
        context.warn(
            &placed.clip.pointer,
            format_args!(
                "is longer than its source, which ends after {ends:.3} s: its last frame holds"
            ),
        );
    }
}

/// A chroma key with its defaults.
pub(super) fn chroma_key(form: &ChromaKeyForm) -> ChromaKey {
    ChromaKey {
        colour: form.color,
        threshold: form.threshold.map_or(Micro(150_000), |share| share.micro()),
        halo: form.halo.map_or(Micro(100_000), |share| share.micro()),
    }
}

/// The source fitted into the clip's box.
fn fitted(
    context: &CompileContext,
    clip: &Clip,
    facts: &Facts,
    video: &VideoFacts,
    crop: Option<&Crop>,
) -> (Picture, Extent) {
    let canvas = &context.composition.canvas;
    let (wide, high) = video.shown_size();
    let shown = CroppedPicture { whole: Extent::pixels(wide, high), kept: kept(crop) };
    let bounds = Extent::of_clip(&clip.written, canvas);
    fit(clip.written.fit.unwrap_or(Fit::Cover), shown, bounds, stream(facts, video.index))
}

/// A picture at the size it is shown, and the part of it that is not cropped away.
#[derive(Clone, Copy)]
struct CroppedPicture {
    whole: Extent,
    kept: ExactRect,
}

/// A rectangle in exact shares of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ExactRect {
    x: Ratio,
    y: Ratio,
    width: Ratio,
    height: Ratio,
}

impl ExactRect {
    fn rect(self) -> Rect {
        Rect {
            x: self.x.to_micro(),
            y: self.y.to_micro(),
            width: self.width.to_micro(),
            height: self.height.to_micro(),
        }
    }
}

fn kept(crop: Option<&Crop>) -> ExactRect {
    let share =
        |of: fn(&Crop) -> Option<Decimal>| crop.and_then(of).map_or(Ratio::ZERO, |share| share.0);
    let (left, top) = (share(|crop| crop.left), share(|crop| crop.top));
    let width = Ratio::ONE.minus(left).minus(share(|crop| crop.right));
    let height = Ratio::ONE.minus(top).minus(share(|crop| crop.bottom));
    ExactRect { x: left, y: top, width, height }
}

impl CroppedPicture {
    /// The size in pixels of the part that is kept.
    fn size(self) -> Extent {
        Extent {
            width: self.whole.width.times(self.kept.width),
            height: self.whole.height.times(self.kept.height),
        }
    }

    /// The middle of the kept part with the shape of a box.
    fn covering(self, bounds: Extent) -> ExactRect {
        let size = self.size();
        // More than one if the picture is wider than the box.
        let wider = quotient(size.width.times(bounds.height), size.height.times(bounds.width));
        let middle =
            |from: Ratio, length: Ratio, part: Ratio| from.plus(length.minus(part).times(half()));
        if Ratio::ONE < wider {
            let width = quotient(self.kept.width, wider);
            ExactRect { x: middle(self.kept.x, self.kept.width, width), width, ..self.kept }
        } else {
            let height = self.kept.height.times(wider);
            ExactRect { y: middle(self.kept.y, self.kept.height, height), height, ..self.kept }
        }
    }

    /// The largest size within a box that keeps the picture's shape.
    fn contained(self, bounds: Extent) -> Extent {
        let size = self.size();
        let factor = quotient(bounds.width, size.width).min(quotient(bounds.height, size.height));
        Extent { width: size.width.times(factor), height: size.height.times(factor) }
    }
}

fn half() -> Ratio {
    Ratio::new(1, 2).unwrap_or(Ratio::ONE)
}

/// The quotient of two lengths, which are never zero.
fn quotient(a: Ratio, b: Ratio) -> Ratio {
    a.over(b).unwrap_or(Ratio::ONE)
}

fn fit(fit: Fit, shown: CroppedPicture, bounds: Extent, source: Source) -> (Picture, Extent) {
    let all = Picture { source, crop: shown.kept.rect(), into: WHOLE, backdrop: None };
    match fit {
        Fit::Fill => (all, bounds),
        Fit::None => (all, shown.size()),
        Fit::Contain => (all, shown.contained(bounds)),
        Fit::Cover => (Picture { crop: shown.covering(bounds).rect(), ..all }, bounds),
        Fit::Blur => (blurred(all, shown, bounds), bounds),
    }
}

/// A backdrop's blur, as a fraction of the box's shorter side: one over this.
const BACKDROP_BLUR: i64 = 30;

fn blurred(all: Picture, shown: CroppedPicture, bounds: Extent) -> Picture {
    let inner = shown.contained(bounds);
    let (width, height) =
        (quotient(inner.width, bounds.width), quotient(inner.height, bounds.height));
    let into = ExactRect {
        x: Ratio::ONE.minus(width).times(half()),
        y: Ratio::ONE.minus(height).times(half()),
        width,
        height,
    };
    let sigma = quotient(bounds.width.min(bounds.height), Ratio::whole(BACKDROP_BLUR)).to_micro();
    let backdrop =
        (into.rect() != WHOLE).then(|| Backdrop { crop: shown.covering(bounds).rect(), sigma });
    Picture { into: into.rect(), backdrop, ..all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SourceHash;

    fn fitted_picture(mode: Fit, picture: (u32, u32), bounds: (u32, u32)) -> (Picture, (f64, f64)) {
        let shown =
            CroppedPicture { whole: Extent::pixels(picture.0, picture.1), kept: kept(None) };
        let source = Source { hash: SourceHash("x".into()), stream: 0, joined: false };
        let (picture, extent) = fit(mode, shown, Extent::pixels(bounds.0, bounds.1), source);
        (picture, (extent.width.to_f64(), extent.height.to_f64()))
    }

    fn rect(x: i64, y: i64, width: i64, height: i64) -> Rect {
        Rect { x: Micro(x), y: Micro(y), width: Micro(width), height: Micro(height) }
    }

    #[test]
    fn cover_cuts_the_middle_out() {
        let (wide, size) = fitted_picture(Fit::Cover, (1920, 1080), (1080, 1080));
        assert_eq!((wide.crop, size), (rect(218_750, 0, 562_500, 1_000_000), (1080.0, 1080.0)));
        let (tall, _) = fitted_picture(Fit::Cover, (1080, 1920), (1080, 1080));
        assert_eq!(tall.crop, rect(0, 218_750, 1_000_000, 562_500));
    }

    #[test]
    fn contain_keeps_the_shape() {
        let (picture, size) = fitted_picture(Fit::Contain, (1920, 1080), (960, 960));
        assert_eq!((picture.crop, size), (WHOLE, (960.0, 540.0)));
    }

    #[test]
    fn blur_is_contain_over_cover() {
        let (picture, size) = fitted_picture(Fit::Blur, (1920, 1080), (960, 960));
        assert_eq!(size, (960.0, 960.0));
        assert_eq!(picture.into, rect(0, 218_750, 1_000_000, 562_500));
        let backdrop = picture.backdrop.expect("a backdrop");
        assert_eq!(
            (backdrop.crop, backdrop.sigma),
            (rect(218_750, 0, 562_500, 1_000_000), Micro::whole(32))
        );
        assert_eq!(fitted_picture(Fit::Blur, (1920, 1080), (960, 540)).0.backdrop, None);
    }
}
