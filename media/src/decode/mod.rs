//! Reads sources: opens them safely, picks frames by time, and converts them to pictures.

pub(crate) mod bits;
pub(crate) mod clock;
pub(crate) mod colour;
pub(crate) mod convert;
mod cost;
pub(crate) mod decoders;
pub(crate) mod deinterlace;
pub(crate) mod exif;
pub(crate) mod frame_times;
pub(crate) mod joined;
pub(crate) mod mirror;
pub(crate) mod open;
pub(crate) mod profile;
pub(crate) mod reader;
pub(crate) mod rotation;
pub(crate) mod scaler;
pub(crate) mod shown_frame;
pub(crate) mod still;
pub(crate) mod stream;
pub(crate) mod svg;
pub(crate) mod tonemap;
pub(crate) mod webp;
