//! Every bound on a composition, each with the reason for its number.

use common::document::{NumberBounds, Unsupported};

/// The longest composition, in seconds: two hours in segments of 2 s are 3,600, under
/// `MAX_SEGMENTS`.
pub(crate) const MAX_SECONDS: i64 = 7_200;
/// A time in a composition, in seconds.
pub(crate) const SECONDS: NumberBounds = NumberBounds::new(0, MAX_SECONDS, " seconds");
/// Time of a frame to take, in seconds. One past the end takes the last frame.
pub(crate) const MOMENT: NumberBounds = NumberBounds::new(0, 1_000_000_000, " seconds");
/// A length, in seconds. The least, a thousandth, is shorter than any frame.
pub(crate) const LENGTH: NumberBounds = NumberBounds::from_part(1000, MAX_SECONDS, " seconds");
/// A time in a source, in seconds: up to a day of footage.
pub(crate) const SOURCE_SECONDS: NumberBounds = NumberBounds::new(0, 86_400, " seconds");

/// Tracks: each can add a layer that is composited over every pixel of every frame.
pub(crate) const TRACKS: NumberBounds = NumberBounds::new(1, 100, " tracks");
/// Clips of one track: over an hour of cuts one second apart.
pub(crate) const CLIPS: NumberBounds = NumberBounds::new(1, 4_000, " clips");
/// Clips of all tracks: as many as the plan's JSON can hold in one row of the store.
pub(crate) const MAX_CLIPS: usize = 4_000;
/// Sources: each is a task that fetches one file.
pub(crate) const MAX_SOURCES: usize = 1_000;
/// Tweens of one property: one per second for a few minutes.
pub(crate) const TWEENS: NumberBounds = NumberBounds::new(1, 500, " tweens");
/// The caller's fonts: each is sent to every segment that holds text.
pub(crate) const FONTS: NumberBounds = NumberBounds::new(0, 50, " fonts");
pub(crate) const MERGES: NumberBounds = NumberBounds::new(0, 1_000, " merge fields");
/// Filters of one clip: each is a pass over its pixels.
pub(crate) const FILTERS: NumberBounds = NumberBounds::new(0, 10, " filters");
/// Words or cues written into the composition: two hours of fast speech.
pub(crate) const WORDS: NumberBounds = NumberBounds::new(0, 30_000, " entries");
/// Cues of one subtitle file: over two hours of fast speech.
pub(crate) const MAX_CUES: usize = 30_000;
/// Runs of one text.
pub(crate) const RUNS: NumberBounds = NumberBounds::new(1, 500, " runs");
pub(crate) const STOPS: NumberBounds = NumberBounds::new(2, 32, " stops");
/// Results are not sent anywhere.
pub(crate) const DESTINATIONS: Unsupported =
    Unsupported("remove it, and fetch the result from its `url`");

/// Characters of a name or of one line of text.
pub(crate) const MAX_LINE: usize = 200;
/// Characters of a text: longer ones are unreadable at any size.
pub(crate) const MAX_PROSE: usize = 20_000;

/// A side of the canvas, in pixels. The least is what encoders take; the most is 4K, upright or
/// not.
pub(crate) const SIDE: NumberBounds = NumberBounds::new(16, 4_096, " pixels");
/// Pixels of the canvas, 4096 × 2304: the frames of a segment must fit the media process's memory.
pub(crate) const MAX_PIXELS: u64 = 4_096 * 2_304;
pub(crate) const FPS: NumberBounds = NumberBounds::new(12, 60, " frames a second");
/// A clip's own box, in pixels. It may be larger than the canvas.
pub(crate) const BOX: NumberBounds = NumberBounds::new(1, 8_192, " pixels");

/// A share of one: opacity, thresholds.
pub(crate) const SHARE: NumberBounds = NumberBounds::new(0, 1, "");
/// A clip's offset, in shares of the frame: far outside the frame, yet small enough to count in
/// pixels.
pub(crate) const OFFSET: NumberBounds = NumberBounds::new(-10, 10, " (shares of the frame)");
/// A scale factor.
pub(crate) const SCALE: NumberBounds = NumberBounds::new(0, 20, "");
/// A rotation, in degrees: ten turns either way.
pub(crate) const TURN: NumberBounds = NumberBounds::new(-3_600, 3_600, " degrees");
/// A skew, in degrees: at 90 the picture would be a line.
pub(crate) const SKEW: NumberBounds = NumberBounds::new(-85, 85, " degrees");
/// Playback speed: a little more than the time stretch that keeps the pitch does well.
pub(crate) const SPEED: NumberBounds = NumberBounds::from_part(20, 20, "");
/// A factor to the amplitude; 8 is +18 dB.
pub(crate) const VOLUME: NumberBounds = NumberBounds::new(0, 8, "");
/// A transition's length, in seconds.
pub(crate) const TRANSITION: NumberBounds = NumberBounds::from_part(100, 30, " seconds");
/// How far an effect zooms, as a factor, or moves, as a share of the frame.
pub(crate) const EFFECT: NumberBounds = NumberBounds::new(0, 2, "");
/// A blur's standard deviation, in pixels.
pub(crate) const BLUR: NumberBounds = NumberBounds::new(0, 200, " pixels");
/// A factor to contrast or saturation.
pub(crate) const ADJUST: NumberBounds = NumberBounds::new(0, 4, "");
/// An amount added to brightness.
pub(crate) const BRIGHTNESS: NumberBounds = NumberBounds::new(-1, 1, "");

pub(crate) const FONT_SIZE: NumberBounds = NumberBounds::new(1, 2_000, " pixels");
pub(crate) const FONT_WEIGHT: NumberBounds = NumberBounds::new(1, 1_000, "");
/// Space added between letters, words and around boxes, in pixels.
pub(crate) const SPACING: NumberBounds = NumberBounds::new(-200, 2_000, " pixels");
/// A line's height, in font sizes.
pub(crate) const LINE_HEIGHT: NumberBounds = NumberBounds::from_part(10, 10, " font sizes");
/// A stroke's width, a radius or a padding, in pixels.
pub(crate) const PIXELS: NumberBounds = NumberBounds::new(0, 4_096, " pixels");
/// Characters of one caption line that is built from words.
pub(crate) const CHARACTERS: NumberBounds = NumberBounds::new(1, 500, " characters");
pub(crate) const LINES: NumberBounds = NumberBounds::new(1, 10, " lines");
/// The y of a Bézier easing's control points. A little overshoot is useful, more is not.
pub(crate) const EASE_Y: NumberBounds = NumberBounds::new(-5, 5, "");
/// Bars of a waveform: at the most each is one to a few pixels wide.
pub(crate) const BARS: NumberBounds = NumberBounds::new(1, 1_000, " bars");

/// Integrated loudness, in LUFS: from cinema to the loudest stations.
pub(crate) const LOUDNESS: NumberBounds = NumberBounds::new(-40, -5, " LUFS");
/// The highest true peak, in dBTP.
pub(crate) const TRUE_PEAK: NumberBounds = NumberBounds::new(-9, 0, " dBTP");
/// A level, in dBFS.
pub(crate) const LEVEL: NumberBounds = NumberBounds::new(-60, 0, " dBFS");
/// How far ducking lowers music, in dB.
pub(crate) const DEPTH: NumberBounds = NumberBounds::new(0, 60, " dB");
/// Attack and release of ducking, in milliseconds.
pub(crate) const MILLISECONDS: NumberBounds = NumberBounds::new(1, 10_000, " ms");
/// How often a GIF plays.
pub(crate) const PLAYS: NumberBounds = NumberBounds::new(1, 1_000, " times");
/// Bytes that merge fields may insert: a few times the largest input.
pub(crate) const MAX_MERGED_BYTES: usize = 16 * 1024 * 1024;
/// Segments of one plan: each is a task.
pub(crate) const MAX_SEGMENTS: usize = 3_800;
/// Layers of all segments together: beyond this the plan no longer fits into a task's output.
pub(crate) const MAX_LAYERS: u64 = 20_000;
/// Mattes of one track: each can mask every clip of it.
pub(crate) const MAX_MATTES: usize = 16;
