//! Every bound on a composition, each with the reason for its number.

use crate::document::Bounds;

/// Faults that one answer lists: more than anyone mends in one sitting.
pub(crate) const MAX_FAULTS: usize = 200;

/// The longest composition, in seconds: two hours, which is 1,800 segments of 4 s, well under the tasks a job may have.
pub(crate) const MAX_SECONDS: i64 = 7_200;
/// Any time in a composition, in seconds.
pub(crate) const SECONDS: Bounds = Bounds::new(0, MAX_SECONDS, " seconds");
/// A length, in seconds: a thousandth is under the shortest frame.
pub(crate) const LENGTH: Bounds = Bounds::from_part(1000, MAX_SECONDS, " seconds");
/// A place in a source, in seconds: a day of footage.
pub(crate) const SOURCE_SECONDS: Bounds = Bounds::new(0, 86_400, " seconds");

/// Tracks: each may add a layer that is composited over every pixel of every frame.
pub(crate) const TRACKS: Bounds = Bounds::new(1, 100, " tracks");
/// Clips of a track: an hour of cuts of a second.
pub(crate) const CLIPS: Bounds = Bounds::new(1, 4_000, " clips");
/// Clips in all: what the plan's JSON can carry in a store's row.
pub(crate) const MAX_CLIPS: usize = 4_000;
/// Sources in all: each is a task that fetches.
pub(crate) const MAX_SOURCES: usize = 1_000;
/// Tweens of one property: one a second for a few minutes.
pub(crate) const TWEENS: Bounds = Bounds::new(1, 500, " tweens");
/// Own fonts: each is sent to every segment that writes.
pub(crate) const FONTS: Bounds = Bounds::new(0, 50, " fonts");
/// Merge fields.
pub(crate) const MERGES: Bounds = Bounds::new(0, 1_000, " merge fields");
/// Filters of a clip: each is a pass over its pixels.
pub(crate) const FILTERS: Bounds = Bounds::new(0, 10, " filters");
/// Words or cues given in the composition itself: two hours of fast speech.
pub(crate) const WORDS: Bounds = Bounds::new(0, 30_000, " entries");
/// Runs of one text.
pub(crate) const RUNS: Bounds = Bounds::new(1, 500, " runs");
/// Stops of a gradient.
pub(crate) const STOPS: Bounds = Bounds::new(2, 32, " stops");
/// Places a result is sent to.
pub(crate) const DESTINATIONS: Bounds = Bounds::new(0, 10, " destinations");

/// Characters of a name, and of a text.
pub(crate) const MAX_LINE: usize = 200;
/// A text longer than this would be unreadable at any size.
pub(crate) const MAX_PROSE: usize = 20_000;

/// A side of the canvas, in pixels: 4K either way up. The least is what encoders take.
pub(crate) const SIDE: Bounds = Bounds::new(16, 4_096, " pixels");
/// Pixels of the canvas: 4096 × 2304, so that a segment's frames fit a child's memory.
pub(crate) const MAX_PIXELS: u64 = 4_096 * 2_304;
/// Frames a second.
pub(crate) const FPS: Bounds = Bounds::new(12, 60, " frames a second");
/// A clip's own box, in pixels: boxes larger than the frame occur.
pub(crate) const BOX: Bounds = Bounds::new(1, 8_192, " pixels");

/// A share of one: opacity, thresholds.
pub(crate) const SHARE: Bounds = Bounds::new(0, 1, "");
/// Shares of the frame that a clip may be away: far outside, and still a number that pixels can be counted in.
pub(crate) const OFFSET: Bounds = Bounds::new(-10, 10, " (shares of the frame)");
/// A factor to the size.
pub(crate) const SCALE: Bounds = Bounds::new(0, 20, "");
/// Degrees of a turn: ten rounds either way.
pub(crate) const TURN: Bounds = Bounds::new(-3_600, 3_600, " degrees");
/// Degrees of skew: at 90 the picture is a line.
pub(crate) const SKEW: Bounds = Bounds::new(-85, 85, " degrees");
/// How fast a source plays: what the pitch-keeping time stretch does well, and a little more.
pub(crate) const SPEED: Bounds = Bounds::from_part(20, 20, "");
/// A factor to the amplitude: +18 dB.
pub(crate) const VOLUME: Bounds = Bounds::new(0, 8, "");
/// A transition, in seconds.
pub(crate) const TRANSITION: Bounds = Bounds::from_part(100, 30, " seconds");
/// How much an effect zooms, or moves as a share of the frame.
pub(crate) const EFFECT: Bounds = Bounds::new(0, 2, "");
/// A blur's standard deviation, in pixels.
pub(crate) const BLUR: Bounds = Bounds::new(0, 200, " pixels");
/// A factor to contrast or saturation.
pub(crate) const ADJUST: Bounds = Bounds::new(0, 4, "");
/// Brightness added.
pub(crate) const BRIGHTNESS: Bounds = Bounds::new(-1, 1, "");

/// A font's size, in pixels.
pub(crate) const FONT_SIZE: Bounds = Bounds::new(1, 2_000, " pixels");
/// A font's weight.
pub(crate) const FONT_WEIGHT: Bounds = Bounds::new(1, 1_000, "");
/// Room added between letters, words and around boxes, in pixels.
pub(crate) const SPACING: Bounds = Bounds::new(-200, 2_000, " pixels");
/// A line's height, in font sizes.
pub(crate) const LINE_HEIGHT: Bounds = Bounds::from_part(10, 10, " font sizes");
/// Widths of strokes, radii, paddings, in pixels.
pub(crate) const PIXELS: Bounds = Bounds::new(0, 4_096, " pixels");
/// Characters of a caption's line made from words.
pub(crate) const CHARACTERS: Bounds = Bounds::new(1, 500, " characters");
/// Lines of a caption.
pub(crate) const LINES: Bounds = Bounds::new(1, 10, " lines");
/// The y of a Bézier easing: overshoot has some use, orbits have none.
pub(crate) const EASE_Y: Bounds = Bounds::new(-5, 5, "");
/// Bars of a waveform: one to a few pixels.
pub(crate) const BARS: Bounds = Bounds::new(1, 1_000, " bars");
/// Words a minute.
pub(crate) const SPEECH_RATE: Bounds = Bounds::new(80, 450, " words a minute");
/// A voice's pitch.
pub(crate) const PITCH: Bounds = Bounds::new(0, 100, "");

/// Integrated loudness, in LUFS: from cinema to the loudest stations.
pub(crate) const LOUDNESS: Bounds = Bounds::new(-40, -5, " LUFS");
/// The highest true peak, in dBTP.
pub(crate) const TRUE_PEAK: Bounds = Bounds::new(-9, 0, " dBTP");
/// A level, in dBFS.
pub(crate) const LEVEL: Bounds = Bounds::new(-60, 0, " dBFS");
/// How far music is pressed, in dB.
pub(crate) const DEPTH: Bounds = Bounds::new(0, 60, " dB");
/// How fast, in milliseconds.
pub(crate) const MILLISECONDS: Bounds = Bounds::new(1, 10_000, " ms");
/// How often a GIF plays.
pub(crate) const PLAYS: Bounds = Bounds::new(1, 1_000, " times");
/// What merge fields may put in, in bytes: a few times the largest input.
pub(crate) const MAX_MERGED_BYTES: usize = 16 * 1024 * 1024;
/// Segments of one plan: each is a task.
pub(crate) const MAX_SEGMENTS: usize = 3_800;
/// Layers of all segments together: beyond this the plan no longer fits into a task's output.
pub(crate) const MAX_SHOWINGS: u64 = 20_000;
/// Mattes of one track: each may mask every clip of it.
pub(crate) const MAX_MATTES: usize = 16;
