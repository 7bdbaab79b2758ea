//! The frames of one source, picked by time.
//!
//! The frame for a time is the last one that begins at or before it; before the first frame the first holds, after the
//! end the last does.

use super::stream::StreamReader;
use super::webp::AnimatedWebp;
use crate::error::Result;
use composition::plan::Ratio;
use ffmpeg_next::frame;
use std::path::Path;

/// A source of frames that is open and stands at some frame.
pub(crate) enum VideoReader {
    /// Whatever libav reads.
    Stream(Box<StreamReader>),
    /// What it does not.
    Webp(Box<AnimatedWebp>),
}

/// A frame that shows, with what is known around it.
pub(crate) struct Shown<'a> {
    /// The frame.
    pub frame: &'a frame::Video,
    /// The one after it; none after the last, and none for the first while it is shown before its own time.
    pub next: Option<&'a frame::Video>,
    /// Its own time, in ticks of its stream: the same for the same frame.
    pub ticks: i64,
    /// Degrees to turn it clockwise: 0, 90, 180 or 270.
    pub rotation: u16,
}

impl VideoReader {
    /// Opens a stream by its index in the container. An animated WebP has one.
    ///
    /// # Errors
    /// Bad input where the file is damaged or has no such stream; unsupported where its codec is not read.
    pub(crate) fn open(path: &Path, stream: u32) -> Result<Self> {
        match AnimatedWebp::open(path)? {
            Some(webp) => Ok(Self::Webp(Box::new(webp))),
            None => Ok(Self::Stream(Box::new(StreamReader::open(path, stream)?))),
        }
    }

    /// The frame that shows at `seconds` from the file's start.
    ///
    /// # Errors
    /// Bad input where nothing can be decoded.
    pub(crate) fn frame_at(&mut self, seconds: Ratio) -> Result<Shown<'_>> {
        match self {
            Self::Stream(stream) => stream.frame_at(seconds),
            Self::Webp(webp) => webp.frame_at(seconds),
        }
    }
}
