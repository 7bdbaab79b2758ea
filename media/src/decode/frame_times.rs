//! Times the decoded frames of containers that do not time each of them.

use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Packet, decoder, frame};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The most packets that a decoder holds before it returns the first frame: 16 in H.264 and H.265.
const MAX_HELD: usize = 16;

/// The times of one stream's frames.
pub(super) struct FrameTimes {
    timed: TimedFrames,
    /// The times of the packets that the decoder holds, if no frame is timed.
    held: BinaryHeap<Reverse<i64>>,
}

/// The frames that have a time of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TimedFrames {
    All,
    /// Some, as [`has_sparse_times`] says.
    Some,
    /// None: packets are timed, in the order in which they are decoded. The first frame is shown at
    /// the first time, the second at the second.
    None,
}

impl FrameTimes {
    pub(super) fn of(input: &Input, decoder: &decoder::Video) -> Self {
        let timed = if has_sparse_times(input) {
            TimedFrames::Some
        } else if input.format().name() == "avi" && decoder.has_b_frames() {
            // Without B-frames, the order of decoding is that of showing.
            TimedFrames::None
        } else {
            TimedFrames::All
        };
        Self { timed, held: BinaryHeap::new() }
    }

    /// Returns whether every frame has a time of its own.
    pub(super) fn are_complete(&self) -> bool {
        self.timed == TimedFrames::All
    }

    /// Returns whether reading may begin at a packet after a seek: at a key frame whose time is
    /// known.
    pub(super) fn can_begin_at(&self, packet: &Packet) -> bool {
        packet.is_key() && (self.timed != TimedFrames::Some || packet.pts().is_some())
    }

    /// Returns whether the time of the first frame after a seek is known. In a stream in which only
    /// some frames have one, it is unknown until a frame has.
    pub(super) fn can_begin_with(&self, frame: &frame::Video) -> bool {
        self.timed != TimedFrames::Some || frame.pts().is_some()
    }

    /// Forgets the packets that the decoder held.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }

    /// Remembers a packet that the decoder took.
    pub(super) fn take(&mut self, packet: &Packet) {
        if self.timed != TimedFrames::None {
            return;
        }
        self.held.extend(packet.dts().map(Reverse));
        // A damaged packet gives no frame: its time is not for the next one.
        while self.held.len() > MAX_HELD + 1 {
            self.held.pop();
        }
    }

    /// Returns the presentation time of the next decoded frame. `last` is that of the one before.
    ///
    /// In a stream in which only some frames have a time, one without follows the frame before it:
    /// libav would use the decoding time, which is earlier, and give two frames one time.
    pub(super) fn next(&mut self, frame: &frame::Video, last: Option<i64>) -> i64 {
        let follows = || {
            let step = Some(frame.packet().duration).filter(|step| *step > 0)?;
            last.map(|last| last.saturating_add(step))
        };
        let known = match self.timed {
            TimedFrames::All => None,
            TimedFrames::Some => frame.pts().or_else(follows),
            TimedFrames::None => self.held.pop().map(|Reverse(earliest)| earliest),
        };
        known
            .or_else(|| frame.timestamp())
            .unwrap_or_else(|| last.map_or(i64::MIN + 1, |last| last.saturating_add(1)))
    }
}

/// Returns whether a container times only the first frame that begins in each of its own packets
/// (ISO/IEC 13818-1, "PTS"), which may hold several frames or begin inside one: a program stream.
/// Transport streams may do so too, but in practice begin a packet with each frame.
pub(crate) fn has_sparse_times(input: &Input) -> bool {
    input.format().name() == "mpeg"
}
