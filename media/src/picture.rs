//! Pictures and their composition: everything between the decoder and the encoder.

pub(crate) mod affine;
pub(crate) mod blend;
pub mod planes;
pub(crate) mod raster;
pub(crate) mod resize;
pub(crate) mod sample;
