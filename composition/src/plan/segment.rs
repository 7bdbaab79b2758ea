//! A segment: a composition of its own that starts at zero and holds only what it shows.

use super::layer::Layer;
use super::number::{Rate, Rgba, SourceHash};
use super::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// A run of frames, rendered by itself as closed GOPs. Its canonical JSON is its key: it does not say where in the composition
/// it stands, so equal pictures are rendered once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// What is drawn on.
    pub canvas: Canvas,
    /// How many frames it has; at least one.
    pub frames: u64,
    /// What is drawn, bottom first.
    pub layers: Vec<Layer>,
    /// Font files beside the bundled ones, in the order they were named; empty where nothing is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fonts: Vec<SourceHash>,
    /// The digest of the machine's own fonts, where what is written may need them: the compiler leaves it open, and whoever
    /// compiles on a machine that renders fills it in, so that machines with other fonts share no such segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_fonts: Option<String>,
    /// How its frames are encoded.
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
    /// Pixels across; even.
    pub width: u32,
    /// Pixels down; even.
    pub height: u32,
    /// Frames a second.
    pub rate: Rate,
    /// What shows where nothing is drawn. Alpha below 255 counts only in formats that keep it.
    pub background: Rgba,
}
