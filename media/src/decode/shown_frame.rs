//! The result of picking a frame by time.

use ffmpeg_next::frame;

/// The frame for a time, with its neighbour and its orientation.
pub(crate) struct ShownFrame<'a> {
    pub frame: &'a frame::Video,
    /// The frame after it; none after the last, and none for the first if it is shown before its
    /// own time.
    pub next: Option<&'a frame::Video>,
    /// The frame's own time, in ticks of its stream. It identifies the frame.
    pub ticks: i64,
    /// Degrees by which it is turned clockwise for showing: 0, 90, 180 or 270.
    pub rotation: u16,
}
