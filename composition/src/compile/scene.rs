//! Turns every visual clip into a layer over its whole length, bottom first.

use super::context::CompileContext;
use super::look::{self, Extent};
use super::pictures::{self, Playback};
use super::times::{Placed, Timing};
use super::{captions, figures, joins, writing};
use crate::plan::{Asset, ChromaKey, Layer, Span};
use crate::syntax::{Asset as Written, ChromaKeyForm, TextAsset};

/// A clip's layer in frames of the clip, counted from 0.
pub(super) struct ClipLayer {
    /// The clip's place in the composition, for warnings.
    pub pointer: String,
    /// The frame of the output range on which the clip begins; negative if the range begins later.
    pub start: i64,
    /// The layer over all frames of the clip.
    pub layer: Layer,
    /// Set if the edges are hard cuts: the asset may fill the frame, or mattes cut it.
    pub cuts_hard: bool,
    /// Set if the source has no alpha.
    pub opaque: bool,
}

impl ClipLayer {
    /// The frames of the output range where something begins or ends: the clip and its cues.
    pub fn edges(&self) -> Vec<i64> {
        let clip = self.layer.show;
        let mut edges = vec![clip.from as i64, clip.to as i64];
        if let Asset::Captions(captions) = &self.layer.asset {
            let inside = |edge: &i64| 0 < *edge && *edge < clip.to as i64;
            edges.extend(captions.cues.iter().flat_map(|cue| [cue.from, cue.to]).filter(inside));
        }
        let mattes = self
            .layer
            .mattes
            .iter()
            .flat_map(|matte| [matte.show.from as i64, matte.show.to as i64]);
        edges.extend(mattes);
        edges.into_iter().map(|edge| edge + self.start).collect()
    }
}

/// The layers of all tracks, bottom first. Those of one track are ordered by start, then as
/// written, and joined by their transitions.
pub(super) fn layers(context: &mut CompileContext, timing: &Timing) -> Vec<ClipLayer> {
    let mut clip_layers = Vec::new();
    for track in (0..context.composition.tracks.len()).rev() {
        let mut clips: Vec<&Placed> =
            timing.placed.iter().filter(|placed| placed.track == track).collect();
        clips.sort_by_key(|placed| placed.span.from);
        let (mattes, shown): (Vec<&Placed>, Vec<&Placed>) =
            clips.into_iter().partition(|placed| placed.clip.is_matte());
        let mattes: Vec<(Span, Layer)> = mattes
            .into_iter()
            .filter_map(|placed| Some((placed.span, layer(context, placed)?)))
            .collect();
        let mut track_layers = Vec::new();
        for placed in shown {
            let Some(mut layer) = layer(context, placed) else { continue };
            layer.mattes = mattes
                .iter()
                .filter_map(|(span, matte)| matte_for(placed.span, *span, matte))
                .collect();
            let cuts_hard = joins::fills_frames(&layer.asset) || !layer.mattes.is_empty();
            let opaque = opaque(context, placed);
            track_layers.push(ClipLayer {
                pointer: placed.clip.pointer.clone(),
                start: placed.span.from as i64 - timing.window.from as i64,
                layer,
                cuts_hard,
                opaque,
            });
        }
        clip_layers.extend(joins::join(track_layers, &context.composition.canvas));
    }
    clip_layers
}

/// Returns whether a clip's source has no alpha. A clip without a source counts as opaque.
fn opaque(context: &mut CompileContext, placed: &Placed) -> bool {
    match placed.clip.written.asset {
        Written::Video(_) | Written::Image(_) => {
            context.picture_of(placed.clip).is_some_and(|(_, video)| !video.alpha)
        }
        _ => true,
    }
}

/// A matte in frames of the clip that it masks, with the matte's own clock.
fn matte_for(clip: Span, span: Span, matte: &Layer) -> Option<Layer> {
    let both = clip.meet(span);
    let show =
        Span { from: both.from.checked_sub(clip.from)?, to: both.to.checked_sub(clip.from)? };
    (!both.is_empty()).then(|| Layer { show, clock: both.from - span.from, ..matte.clone() })
}

/// The layer of a clip; none if it has sound alone, or after a fault.
fn layer(context: &mut CompileContext, placed: &Placed) -> Option<Layer> {
    let (asset, extent, key) = asset(context, placed)?;
    let layer = look::layer(context, placed, asset, extent);
    Some(Layer { chroma_key: key, ..layer })
}

/// Warns of a placeholder that no merge field fills. It is shown as it is, which is seldom
/// intended.
fn warn_of_placeholders(context: &mut CompileContext, placed: &Placed, text: &TextAsset) {
    let texts = text.text.iter().chain(text.runs.iter().flatten().map(|run| &run.text));
    for text in texts {
        let Some((name, _)) =
            text.0.split_once("{{").and_then(|(_, opened)| opened.split_once("}}"))
        else {
            continue;
        };
        let detail = format!("shows `{{{{{name}}}}}` as it is: no field of `merge` fills it");
        context.warn(&placed.clip.pointer, detail);
    }
}

fn asset(
    context: &mut CompileContext,
    placed: &Placed,
) -> Option<(Asset, Extent, Option<ChromaKey>)> {
    let canvas = context.composition.canvas;
    let written = &placed.clip.written;
    let bounds = Extent::of_clip(written, &canvas);
    let key = |form: &Option<ChromaKeyForm>| form.as_ref().map(pictures::chroma_key);
    let (asset, extent, key) = match &written.asset {
        Written::Video(video) => {
            let repeat = video.repeat.is_some_and(|flag| flag.0);
            let playback = Playback { trim: video.trim, speed: video.speed, repeat };
            let (asset, extent) = pictures::video(context, placed, video.crop.as_ref(), playback)?;
            (asset, extent, key(&video.chroma_key))
        }
        Written::Image(image) => {
            let (asset, extent) = pictures::image(context, placed, image.crop.as_ref())?;
            (asset, extent, key(&image.chroma_key))
        }
        Written::Luma(luma) => {
            let playback = Playback { trim: luma.trim, speed: luma.speed, repeat: false };
            let (asset, extent) = pictures::video(context, placed, luma.crop.as_ref(), playback)?;
            (asset, extent, None)
        }
        Written::Text(text) | Written::RichText(text) => {
            let boxed = written.width.is_some() || written.height.is_some();
            warn_of_placeholders(context, placed, text);
            let (text, extent) = writing::text(text, bounds, boxed, &canvas, placed.span.len());
            (Asset::Text(text), extent, None)
        }
        Written::Caption(asset) | Written::RichCaption(asset) => {
            let (captions, extent) = captions::captions(context, placed, asset)?;
            (Asset::Captions(captions), extent, None)
        }
        Written::Shape(shape) => {
            let (asset, extent) = figures::shape(shape, bounds);
            (asset, extent, None)
        }
        Written::Color(asset) => (Asset::Colour(asset.color), bounds, None),
        Written::Gradient(asset) => (Asset::Gradient(figures::gradient(asset)), bounds, None),
        Written::Waveform(asset) => (figures::waveform(context, placed, asset)?, bounds, None),
        Written::Audio(_) | Written::Speech(_) => return None,
    };
    Some((asset, extent, key))
}
