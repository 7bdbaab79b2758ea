//! The samples in which the engine mixes.

/// A sample of both channels, left and right; full scale is ±1.
pub(crate) type Stereo = [f32; 2];
