//! Decodes the frames of the whole video from its segments, by number.

use super::segment::numbered;
use crate::decode::reader::VideoReader;
use crate::{MediaError, Result};
use composition::plan::Assemble;
use ffmpeg_next::frame;
use std::path::{Path, PathBuf};

/// The segments of a video and the number of each one's first frame.
pub(super) struct FrameSource<'a> {
    plan: &'a Assemble,
    segments: Vec<(&'a Path, u64)>,
}

impl<'a> FrameSource<'a> {
    pub(super) fn new(plan: &'a Assemble, paths: &'a [PathBuf]) -> Self {
        Self { plan, segments: numbered(plan, paths).collect() }
    }

    /// Calls back with the frame of a number, or with the last frame if the number is beyond it.
    ///
    /// # Errors
    /// Errors from opening and decoding its segment.
    pub(super) fn with<T>(
        &self,
        number: u64,
        use_frame: impl FnOnce(&frame::Video) -> Result<T>,
    ) -> Result<T> {
        let number = number.min(self.plan.frames.saturating_sub(1));
        let index = self.segments.partition_point(|(_, first)| *first <= number).saturating_sub(1);
        let (path, first) = self.segments.get(index).ok_or_else(|| {
            MediaError::Internal("there is no segment to take a picture from".into())
        })?;
        let mut reader = VideoReader::open(path, 0)?;
        let shown = reader.frame_at(self.plan.rate.seconds(number - first))?;
        use_frame(shown.frame)
    }

    /// Visits every frame with its number, in order.
    ///
    /// # Errors
    /// Errors from opening and decoding, and those of `visit`.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(u64, &frame::Video) -> Result<()>,
    ) -> Result<()> {
        for ((path, first), frames) in self.segments.iter().zip(&self.plan.segment_frames) {
            let mut reader = VideoReader::open(path, 0)?;
            for number in 0..*frames {
                let shown = reader.frame_at(self.plan.rate.seconds(number))?;
                visit(first + number, shown.frame)?;
            }
        }
        Ok(())
    }
}
