//! Compiles shapes, colours, gradients and waveforms.

use super::context::{CompileContext, stream};
use super::look::Extent;
use super::times::{self, Placed};
use crate::document::Decimal;
use crate::plan::{
    Asset, Gradient, GradientStop, MICRO, Micro, Ratio, Rgba, Shape, ShapeKind, Span, WaveStyle,
    Waveform,
};
use crate::syntax::{
    Asset as Written, FillForm, GradientAsset, GradientShape, OutlineForm, ShapeAsset, ShapeName,
    WaveName, WaveformAsset,
};

/// A shape and its box. The size is the shape's own, or else the clip's or the frame's.
pub(super) fn shape(asset: &ShapeAsset, bounds: Extent) -> (Asset, Extent) {
    let or = |own: Option<Decimal>, default: Ratio| own.map_or(default, |own| own.0);
    let (kind, extent) = match asset.shape {
        ShapeName::Rectangle => {
            let own = asset.rectangle.as_ref();
            let radius =
                own.and_then(|own| own.corner_radius).map_or(Micro::ZERO, |radius| radius.micro());
            let width = or(own.and_then(|own| own.width), bounds.width);
            let height = or(own.and_then(|own| own.height), bounds.height);
            (ShapeKind::Rectangle { radius }, Extent { width, height })
        }
        ShapeName::Circle => {
            let across = asset.circle.as_ref().map(|circle| circle.radius.0.times(Ratio::whole(2)));
            let extent = across.map_or(bounds, |side| Extent { width: side, height: side });
            (ShapeKind::Ellipse, extent)
        }
        ShapeName::Line => {
            let own = asset.line.as_ref();
            let width = own.map_or(bounds.width, |line| line.length.0);
            let height = or(own.and_then(|line| line.thickness), Ratio::whole(4));
            (ShapeKind::Line, Extent { width, height })
        }
    };
    let (stroke, stroke_width) = asset.stroke.as_ref().map_or((Rgba::CLEAR, Micro::ZERO), outline);
    (Asset::Shape(Shape { kind, fill: fill(asset.fill.as_ref()), stroke, stroke_width }), extent)
}

/// The colour inside, white by default.
fn fill(form: Option<&FillForm>) -> Rgba {
    let colour = form.and_then(|fill| fill.color).unwrap_or(Rgba::WHITE);
    faded(colour, form.and_then(|fill| fill.opacity))
}

/// A colour with the given opacity, if there is one.
pub(super) fn faded(colour: Rgba, opacity: Option<Decimal>) -> Rgba {
    opacity.map_or(colour, |opacity| colour.faded(opacity.micro()))
}

/// The colour and width of an outline.
pub(super) fn outline(form: &OutlineForm) -> (Rgba, Micro) {
    let colour = faded(form.color.unwrap_or(Rgba::BLACK), form.opacity);
    (colour, form.width.map_or(Micro::ONE, |width| width.micro()))
}

/// A gradient. Stops without offsets are evenly spread.
pub(super) fn gradient(asset: &GradientAsset) -> Gradient {
    let angle = match asset.shape {
        Some(GradientShape::Radial) => None,
        Some(GradientShape::Linear) | None => {
            Some(asset.angle.map_or(Micro::whole(180), |angle| angle.micro()))
        }
    };
    let gaps = (asset.stops.len() as i64 - 1).max(1);
    let stops = asset.stops.iter().zip(0_i64..).map(|(stop, index)| GradientStop {
        at: stop.offset.map_or(Micro(index * MICRO / gaps), |offset| offset.micro()),
        colour: stop.color,
    });
    Gradient { angle, stops: stops.collect() }
}

/// A waveform of its own source, or of the sound of the clip it follows.
pub(super) fn waveform(
    context: &mut CompileContext,
    placed: &Placed,
    asset: &WaveformAsset,
) -> Option<Asset> {
    let clip = placed.clip;
    let Some((facts, sound)) = context.sound_of(clip) else {
        context.fault(clip.at("/asset/src"), "has no sound to draw: name a source that has");
        return None;
    };
    let (followed, speed) = match context.target(clip) {
        Some(target) => {
            let late = times::begins(context, clip)?.minus(times::begins(context, target)?);
            let (trim, speed) = played(&target.written.asset);
            (trim.plus(late.times(speed)), speed)
        }
        None => (Ratio::ZERO, Ratio::ONE),
    };
    Some(Asset::Waveform(Waveform {
        source: stream(facts, sound.index),
        trim: asset.trim.map_or(followed, |trim| trim.0),
        speed,
        style: wave_style(asset),
        colour: asset.color.unwrap_or(Rgba::WHITE),
        window: asset
            .window
            .map_or(Ratio::ONE, |window| window.0)
            .max(Ratio::new(1, 100).unwrap_or(Ratio::ONE)),
        clip: Span { from: 0, to: placed.span.len() },
    }))
}

/// The trim and speed that a clip's sound plays with.
fn played(asset: &Written) -> (Ratio, Ratio) {
    let (trim, speed) = match asset {
        Written::Video(video) => (video.trim, video.speed),
        Written::Audio(audio) => (audio.trim, audio.speed),
        _ => (None, None),
    };
    (trim.map_or(Ratio::ZERO, |trim| trim.0), speed.map_or(Ratio::ONE, |speed| speed.0))
}

fn wave_style(asset: &WaveformAsset) -> WaveStyle {
    match asset.style {
        Some(WaveName::Line) => WaveStyle::Line {
            width: asset.thickness.map_or(Micro::whole(4), |width| width.micro()),
        },
        Some(WaveName::Filled) => WaveStyle::Filled,
        Some(WaveName::Bars) | None => {
            WaveStyle::Bars { count: asset.bars.map_or(64, |count| count.0) }
        }
    }
}
