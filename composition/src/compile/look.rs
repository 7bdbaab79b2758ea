//! Compiles a clip's placement, motion, transitions and filters.

use super::context::CompileContext;
use super::curves::CurveBuilder;
use super::times::Placed;
use crate::document::Moving;
use crate::plan::{
    Blend, Canvas, Curve, Direction, Drift, Filter, Layer, MICRO, Micro, Placement, Rate, Ratio,
    Span, Transition,
};
use crate::syntax::{
    AdjustFilter, BlendName, Clip as Written, EffectForm, EffectKind, FilterForm, FilterName,
    FilterObject, Position, TransitionForm,
};

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub width: Ratio,
    pub height: Ratio,
}

impl Extent {
    /// A size in whole pixels.
    pub fn pixels(width: u32, height: u32) -> Extent {
        Extent { width: Ratio::whole(i64::from(width)), height: Ratio::whole(i64::from(height)) }
    }

    /// The clip's own box. A side that is not given is the canvas'.
    pub fn of_clip(written: &Written, canvas: &Canvas) -> Extent {
        let side = |own: Option<crate::document::Count>, default: u32| {
            own.map_or(default, |count| count.0)
        };
        Extent::pixels(side(written.width, canvas.width), side(written.height, canvas.height))
    }
}

/// A clip as a layer over its whole length, with its clock at 0 and without mattes.
pub(super) fn layer(
    context: &mut CompileContext,
    placed: &Placed,
    asset: crate::plan::Asset,
    extent: Extent,
) -> Layer {
    let canvas = context.composition.canvas;
    let written = &placed.clip.written;
    let frames = placed.span.len();
    let transition = written.transition.as_ref();
    Layer {
        show: Span { from: 0, to: frames },
        clock: 0,
        asset,
        placement: placement(written, &canvas, frames, extent),
        opacity: by_frames(canvas.rate, frames, &Ratio::to_micro)
            .curve(written.opacity.as_ref(), Ratio::ONE),
        enter: transition.and_then(|both| both.enter).map(|form| enter(form, canvas.rate, frames)),
        leave: transition.and_then(|both| both.leave).map(|form| leave(form, canvas.rate, frames)),
        filters: filters(context, placed),
        chroma_key: None,
        mattes: Vec::new(),
        blend: written.blend.map_or(Blend::Normal, blend),
    }
}

/// Builds curves whose clock counts frames.
fn by_frames<'a>(
    rate: Rate,
    frames: u64,
    value: &'a dyn Fn(Ratio) -> Micro,
) -> FrameCurveBuilder<'a> {
    FrameCurveBuilder { rate, frames, value }
}

struct FrameCurveBuilder<'a> {
    rate: Rate,
    frames: u64,
    value: &'a dyn Fn(Ratio) -> Micro,
}

impl FrameCurveBuilder<'_> {
    fn curve(&self, written: Option<&Moving>, default: Ratio) -> Curve {
        let tick = |seconds| self.rate.frame_at(seconds);
        CurveBuilder { value: self.value, tick: &tick, ticks: self.frames }.curve(written, default)
    }
}

fn placement(written: &Written, canvas: &Canvas, frames: u64, extent: Extent) -> Placement {
    let (anchor_x, anchor_y) = anchor(written.position.unwrap_or(Position::Center));
    let (across, up) = (i64::from(canvas.width), -i64::from(canvas.height));
    let shares_across = |share: Ratio| share.times(Ratio::whole(across)).to_micro();
    let shares_up = |share: Ratio| share.times(Ratio::whole(up)).to_micro();
    let offset = written.offset.as_ref();
    let transform = written.transform.as_ref();
    let skew = transform.and_then(|transform| transform.skew.as_ref());
    let flip = transform.and_then(|transform| transform.flip.as_ref());
    let angle =
        transform.and_then(|transform| transform.rotate.as_ref()).map(|rotate| &rotate.angle);
    let frame_curves = by_frames(canvas.rate, frames, &Ratio::to_micro);
    Placement {
        width: extent.width.to_micro(),
        height: extent.height.to_micro(),
        anchor_x,
        anchor_y,
        x: by_frames(canvas.rate, frames, &shares_across)
            .curve(offset.and_then(|o| o.x.as_ref()), Ratio::ZERO),
        y: by_frames(canvas.rate, frames, &shares_up)
            .curve(offset.and_then(|o| o.y.as_ref()), Ratio::ZERO),
        scale: frame_curves.curve(written.scale.as_ref(), Ratio::ONE),
        angle: frame_curves.curve(angle, Ratio::ZERO),
        skew_x: frame_curves.curve(skew.and_then(|skew| skew.x.as_ref()), Ratio::ZERO),
        skew_y: frame_curves.curve(skew.and_then(|skew| skew.y.as_ref()), Ratio::ZERO),
        flip_x: flip.and_then(|flip| flip.horizontal).is_some_and(|flag| flag.0),
        flip_y: flip.and_then(|flip| flip.vertical).is_some_and(|flag| flag.0),
        drift: written.effect.map(|effect| drift(effect, canvas, frames)),
    }
}

fn anchor(position: Position) -> (Micro, Micro) {
    const START: Micro = Micro::ZERO;
    const MIDDLE: Micro = Micro(MICRO / 2);
    const END: Micro = Micro::ONE;
    match position {
        Position::Center => (MIDDLE, MIDDLE),
        Position::Top => (MIDDLE, START),
        Position::TopRight => (END, START),
        Position::Right => (END, MIDDLE),
        Position::BottomRight => (END, END),
        Position::Bottom => (MIDDLE, END),
        Position::BottomLeft => (START, END),
        Position::Left => (START, MIDDLE),
        Position::TopLeft => (START, START),
    }
}

/// The motion of an effect: a zoom about the middle, or a pan. A pan is enlarged by its own length,
/// so that no edge of a filled frame shows.
fn drift(effect: EffectForm, canvas: &Canvas, frames: u64) -> Drift {
    let amount = effect.amount.micro();
    let larger = Micro(MICRO.saturating_add(amount.0));
    let none = [Micro::ZERO; 2];
    let pan = |side: u32, sign: i64| {
        let half = Micro::whole(i64::from(side) * sign).times(Micro(amount.0 / 2));
        [Micro(-half.0), half]
    };
    let (scale, x, y) = match effect.kind {
        EffectKind::ZoomIn => ([Micro::ONE, larger], none, none),
        EffectKind::ZoomOut => ([larger, Micro::ONE], none, none),
        EffectKind::Slide(Direction::Left) => ([larger; 2], pan(canvas.width, -1), none),
        EffectKind::Slide(Direction::Right) => ([larger; 2], pan(canvas.width, 1), none),
        EffectKind::Slide(Direction::Up) => ([larger; 2], none, pan(canvas.height, -1)),
        EffectKind::Slide(Direction::Down) => ([larger; 2], none, pan(canvas.height, 1)),
    };
    Drift { frames, scale, x, y }
}

fn enter(form: TransitionForm, rate: Rate, frames: u64) -> Transition {
    let length = rate.frame_at(form.seconds.0).clamp(1, frames);
    Transition { kind: form.kind, start: 0, frames: length, easing: form.easing }
}

fn leave(form: TransitionForm, rate: Rate, frames: u64) -> Transition {
    let entered = enter(form, rate, frames);
    Transition { start: frames - entered.frames, ..entered }
}

const DEFAULT_BLUR: Micro = Micro::whole(8);

fn filters(context: &mut CompileContext, placed: &Placed) -> Vec<Filter> {
    let written = placed.clip.written.filter.iter().flat_map(|filters| &filters.0);
    written
        .filter_map(|form| match form {
            FilterForm::Named(name) => named_filter(*name),
            FilterForm::Set(FilterObject::Blur(blur)) => Some(Filter::Blur {
                sigma: blur.amount.map_or(DEFAULT_BLUR, |amount| amount.micro()),
            }),
            FilterForm::Set(FilterObject::Adjust(adjust)) => Some(adjusted(adjust)),
            FilterForm::Set(FilterObject::Lut(lut)) => {
                let facts = context.facts_at(&lut.src, &placed.clip.at("/filter"))?;
                Some(Filter::Lut { source: facts.hash.clone() })
            }
        })
        .collect()
}

fn adjusted(adjust: &AdjustFilter) -> Filter {
    let factor = |number: Option<crate::document::Decimal>| {
        number.map_or(Micro::ONE, |number| number.micro())
    };
    Filter::Adjust {
        brightness: adjust.brightness.map_or(Micro::ZERO, |number| number.micro()),
        contrast: factor(adjust.contrast),
        saturation: factor(adjust.saturation),
    }
}

/// The filter of a name. Brightness, contrast and saturation are in thousandths.
fn named_filter(name: FilterName) -> Option<Filter> {
    let adjust = |brightness: i64, contrast: i64, saturation: i64| {
        let micro = |thousandths: i64| Micro(thousandths * 1000);
        Some(Filter::Adjust {
            brightness: micro(brightness),
            contrast: micro(contrast),
            saturation: micro(saturation),
        })
    };
    match name {
        FilterName::None => None,
        FilterName::Blur => Some(Filter::Blur { sigma: DEFAULT_BLUR }),
        FilterName::Boost => adjust(0, 1200, 1400),
        FilterName::Contrast => adjust(0, 1400, 1000),
        FilterName::Darken => adjust(-150, 1000, 1000),
        FilterName::Lighten => adjust(150, 1000, 1000),
        FilterName::Muted => adjust(50, 800, 500),
        FilterName::Greyscale => Some(Filter::Greyscale),
        FilterName::Negative => Some(Filter::Negative),
    }
}

fn blend(name: BlendName) -> Blend {
    match name {
        BlendName::Normal => Blend::Normal,
        BlendName::Multiply => Blend::Multiply,
        BlendName::Screen => Blend::Screen,
        BlendName::Overlay => Blend::Overlay,
        BlendName::Darken => Blend::Darken,
        BlendName::Lighten => Blend::Lighten,
        BlendName::ColorDodge => Blend::ColorDodge,
        BlendName::ColorBurn => Blend::ColorBurn,
        BlendName::HardLight => Blend::HardLight,
        BlendName::SoftLight => Blend::SoftLight,
        BlendName::Difference => Blend::Difference,
        BlendName::Exclusion => Blend::Exclusion,
        BlendName::Hue => Blend::Hue,
        BlendName::Saturation => Blend::Saturation,
        BlendName::Color => Blend::Color,
        BlendName::Luminosity => Blend::Luminosity,
        BlendName::Add => Blend::Add,
    }
}
