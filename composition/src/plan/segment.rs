//! A segment: a composition of its own that starts at zero and holds only what it shows.

use super::layer::Layer;
use super::number::{Rate, Rgba, SourceHash};
use super::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// A run of frames that is rendered by itself, as closed groups of pictures. Its key is a hash of
/// its canonical JSON. It does not record its place in the composition, so equal pictures are
/// rendered once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    pub canvas: Canvas,
    /// At least one.
    pub frames: u64,
    /// The layers, bottom first.
    pub layers: Vec<Layer>,
    /// Font files besides the bundled ones, in the order in which they are listed; empty if the
    /// segment has no text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fonts: Vec<SourceHash>,
    /// The digest of the machine's own fonts, if the segment's text may need them. The compiler
    /// leaves it empty; the worker that compiles fills it in, so that machines with different fonts
    /// do not share the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_fonts: Option<String>,
    pub recipe: Recipe,
}

impl Segment {
    /// The sources it reads (pictures, sound for waveforms, LUTs, fonts), each once, sorted.
    pub fn sources(&self) -> Vec<SourceHash> {
        let mut found = self.fonts.clone();
        for layer in &self.layers {
            layer.collect_sources(&mut found);
        }
        found.sort();
        found.dedup();
        found
    }
}

/// The frame that everything is drawn into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canvas {
    /// Pixels; even.
    pub width: u32,
    /// Pixels; even.
    pub height: u32,
    pub rate: Rate,
    /// The colour where nothing is drawn. Its alpha counts only in formats that have alpha.
    pub background: Rgba,
}
