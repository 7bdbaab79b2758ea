//! Converts seconds of a source to ticks of its stream.

use composition::plan::Ratio;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::{Rational, Stream};

/// The time base of a stream, with the start of its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamClock {
    num: i128,
    den: i128,
    /// The file's start in ticks of the stream, rounded down.
    start: i64,
    /// Ticks by which a frame may begin after the asked time and still be shown.
    slack: i64,
}

/// Matroska rounds times to milliseconds.
const SLACK_PER_SECOND: i128 = 1000;

impl StreamClock {
    /// Creates the clock of a stream. Its zero is the container's start time.
    pub(crate) fn of(input: &Input, stream: &Stream<'_>) -> Self {
        let Rational(num, den) = stream.time_base();
        let (num, den) = (i128::from(num.max(1)), i128::from(den.max(1)));
        let start_us = i128::from(crate::ffi::start_time(input).unwrap_or(0));
        Self {
            num,
            den,
            start: (start_us * den).div_euclid(num * 1_000_000) as i64,
            slack: (den / (num * SLACK_PER_SECOND)) as i64,
        }
    }

    /// Returns the last tick at which a frame may begin to be shown at `seconds` from the file's
    /// start.
    ///
    /// Containers round times: in Matroska, a frame at 1001/30000 s is at 33 ms, and one at 66.7 ms
    /// is at 67. So a frame that begins up to a millisecond (or a tick, if that is more) late
    /// counts as begun.
    pub(crate) fn latest(&self, seconds: Ratio) -> i64 {
        let exact =
            (i128::from(seconds.num()) * self.den).div_euclid(i128::from(seconds.den()) * self.num);
        i64::try_from(exact)
            .unwrap_or(i64::MAX / 2)
            .saturating_add(self.start)
            .saturating_add(self.slack.max(i64::from(self.den > self.num * SLACK_PER_SECOND)))
    }

    /// Returns whether a target lies more than `seconds` after the file's start.
    pub(crate) fn is_far_from_start(&self, target: i64, seconds: i64) -> bool {
        target.saturating_sub(self.start) > self.ticks(seconds)
    }

    /// Converts whole seconds to ticks.
    pub(crate) fn ticks(&self, seconds: i64) -> i64 {
        i64::try_from(i128::from(seconds) * self.den / self.num).unwrap_or(i64::MAX / 4)
    }
}
