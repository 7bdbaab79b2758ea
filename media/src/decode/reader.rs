//! Picks the frames of one source by time.
//!
//! The frame for a time is the last one that begins at or before it. Before the first frame, the
//! first is shown; after the end, the last.

use super::shown_frame::ShownFrame;
use super::still::StillPicture;
use super::stream::StreamReader;
use super::webp::AnimatedWebp;
use crate::error::Result;
use composition::plan::Ratio;
use std::path::Path;

/// An open source of frames.
pub(crate) enum VideoReader {
    /// A stream that libav reads.
    Stream(Box<StreamReader>),
    /// An animated WebP, which libav does not read.
    Webp(Box<AnimatedWebp>),
    Still(Box<StillPicture>),
}

impl VideoReader {
    /// Opens a stream by its index in the container. A still picture and an animated WebP have one
    /// stream.
    ///
    /// # Errors
    /// Bad input if the file is damaged or has no such stream; unsupported if its codec is not
    /// read.
    pub(crate) fn open(path: &Path, stream: u32) -> Result<Self> {
        if let Some(still) = StillPicture::open(path)? {
            return Ok(Self::Still(Box::new(still)));
        }
        match AnimatedWebp::open(path)? {
            Some(webp) => Ok(Self::Webp(Box::new(webp))),
            None => Ok(Self::Stream(Box::new(StreamReader::open(path, stream)?))),
        }
    }

    /// Reads the file as several put behind each other. Call it before the first frame.
    pub(crate) fn read_as_joined(&mut self) {
        if let Self::Stream(stream) = self {
            stream.read_as_joined();
        }
    }

    /// Returns the frame to show at `seconds` from the file's start.
    ///
    /// # Errors
    /// Bad input if nothing can be decoded.
    pub(crate) fn frame_at(&mut self, seconds: Ratio) -> Result<ShownFrame<'_>> {
        match self {
            Self::Stream(stream) => stream.frame_at(seconds),
            Self::Webp(webp) => webp.frame_at(seconds),
            Self::Still(still) => Ok(still.frame()),
        }
    }
}
