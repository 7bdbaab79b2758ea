//! Composites pictures: everything between the decoder and the encoder.
//!
//! A [`scene::Scene`] holds a segment's layers with their sources open. For each frame, every layer
//! draws its content at the size at which it is shown (`footage`, `procedural`, `crate::text`). The
//! content is filtered, placed on the canvas (`place`) and blended over the layers below (`blend`,
//! `mix`). A frame depends on its number alone.

pub(crate) mod affine;
pub(crate) mod blend;
pub(crate) mod content;
pub(crate) mod cube;
pub(crate) mod filter;
pub(crate) mod footage;
pub(crate) mod gauss;
pub(crate) mod gradient;
pub(crate) mod key;
pub(crate) mod layer;
pub(crate) mod mix;
pub(crate) mod motion;
pub(crate) mod place;
pub mod planes;
pub(crate) mod procedural;
pub(crate) mod raster;
mod render;
pub(crate) mod resize;
pub(crate) mod sample;
mod scene;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod wave;

pub use render::{render_segment, render_still};
pub use scene::Scene;
