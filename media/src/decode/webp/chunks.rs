//! Reads the frames of an animated WebP from its chunks (RFC 9649, §2.7).

use crate::error::{MediaError, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The most pixels of a canvas, as for frames of any stream.
const MAX_PIXELS: u64 = 100_000_000;
/// The most frames: an hour at 25 a second. They are listed in memory.
const MAX_FRAMES: usize = 90_000;
/// The largest colour profile that is read, in bytes: those of printers have one or two million.
const MAX_PROFILE: u64 = 4 << 20;
/// Frames with a shorter duration are shown for [`DEFAULT_MS`], as every browser does: hardly any
/// encoder meant it.
const MIN_MS: u32 = 11;
const DEFAULT_MS: u32 = 100;

/// A frame: its position in the file and on the canvas, its time, and how it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebpFrame {
    /// Offset in the file and length in bytes of the chunks of its picture.
    pub at: u64,
    pub bytes: u64,
    /// Its rectangle on the canvas.
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
    /// Its start and its duration, in milliseconds.
    pub start_ms: i64,
    pub length_ms: u32,
    /// Set if it is blended over the canvas, unset if it replaces its rectangle.
    pub blends: bool,
    /// Set if its rectangle is cleared before the next frame.
    pub clears: bool,
    /// Set if it hides everything before it.
    pub hides_all: bool,
}

/// The canvas size, the colour profile and the frames of an animated WebP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebpAnimation {
    pub width: u32,
    pub height: u32,
    /// Set if the file says that it has alpha.
    pub alpha: bool,
    /// The ICC profile.
    pub profile: Option<Vec<u8>>,
    pub frames: Vec<WebpFrame>,
}

/// Flags of the `VP8X` chunk.
const ANIMATED: u8 = 0x02;
const ALPHA: u8 = 0x10;

impl WebpAnimation {
    /// Reads the chunks' headers; `None` if the file is something else, such as a still WebP. Of a
    /// file cut short, only whole frames count.
    ///
    /// # Errors
    /// Bad input if it is an invalid animated WebP: its canvas is too large, a frame is outside it,
    /// or there is no frame.
    pub(super) fn read(file: &mut File, path: &Path) -> Result<Option<Self>> {
        let failed = |error: std::io::Error| {
            MediaError::from_io(format_args!("reading {}", path.display()), &error)
        };
        let bad = |why: String| {
            MediaError::BadInput(format!("the animated WebP {} {why}", path.display()))
        };
        let mut head = Vec::new();
        file.take(30).read_to_end(&mut head).map_err(failed)?;
        let Some((width, height, flags)) =
            canvas(&head).filter(|(.., flags)| flags & ANIMATED != 0)
        else {
            return Ok(None);
        };
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(bad(format!(
                "is {width} × {height}: at most {MAX_PIXELS} pixels are read"
            )));
        }
        let end = file.metadata().map_err(failed)?.len();
        let alpha = flags & ALPHA != 0;
        let mut animation = Self { width, height, alpha, profile: None, frames: Vec::new() };
        // The next chunk follows the first one, whose header gives its length.
        let mut at = 20 + to_even(number(&head, 16, 4));
        while let Some((kind, length)) = header(file, at).map_err(failed)? {
            let body = at + 8;
            at = body.saturating_add(to_even(length));
            if body.saturating_add(length) > end {
                break;
            }
            if &kind == b"ICCP" && length <= MAX_PROFILE {
                let mut profile = Vec::new();
                file.take(length).read_to_end(&mut profile).map_err(failed)?;
                animation.profile = Some(profile);
            }
            if &kind == b"ANMF" {
                let mut fields = Vec::new();
                file.take(24).read_to_end(&mut fields).map_err(failed)?;
                let frame = animation
                    .read_frame(&fields, body, length)
                    .ok_or_else(|| bad("has a frame outside its canvas".into()))?;
                animation.frames.push(frame);
                if animation.frames.len() > MAX_FRAMES {
                    return Err(bad(format!("has more than {MAX_FRAMES} frames")));
                }
            }
        }
        if animation.frames.is_empty() {
            return Err(bad("has no complete frame: it is damaged".into()));
        }
        Ok(Some(animation))
    }

    /// Returns the end of the last frame, in milliseconds.
    pub(super) fn length_ms(&self) -> i64 {
        self.frames.last().map_or(0, |last| last.start_ms + i64::from(last.length_ms))
    }

    /// Reads a frame from a chunk of `length` bytes at `body`, which begins with `fields`; `None`
    /// if it exceeds the canvas.
    fn read_frame(&self, fields: &[u8], body: u64, length: u64) -> Option<WebpFrame> {
        if fields.len() < 24 || length < 24 {
            return None;
        }
        let part = |from: usize| u32::try_from(number(fields, from, 3)).ok();
        let (left, top) = (part(0)? * 2, part(3)? * 2);
        let (width, height) = (part(6)? + 1, part(9)? + 1);
        let inside = left + width <= self.width && top + height <= self.height;
        let duration = part(12)?;
        let blends = fields[15] & 2 == 0;
        let whole = (left, top, width, height) == (0, 0, self.width, self.height);
        inside.then_some(WebpFrame {
            at: body + 16,
            bytes: length - 16,
            left,
            top,
            width,
            height,
            start_ms: self.length_ms(),
            length_ms: if duration < MIN_MS { DEFAULT_MS } else { duration },
            blends,
            clears: fields[15] & 1 == 1,
            // A lossy picture without an alpha chunk is opaque.
            hides_all: whole && (!blends || &fields[16..20] == b"VP8 "),
        })
    }
}

/// Reads the canvas size and the flags of a file that begins with a `VP8X` chunk.
fn canvas(head: &[u8]) -> Option<(u32, u32, u8)> {
    let extended = head.len() >= 30 && &head[..4] == b"RIFF" && &head[8..16] == b"WEBPVP8X";
    let side = |from: usize| u32::try_from(number(head, from, 3) + 1).ok();
    if extended { Some((side(24)?, side(27)?, head[20])) } else { None }
}

/// Reads the kind and the length of the chunk at an offset; none at the end of the file.
fn header(file: &mut File, at: u64) -> std::io::Result<Option<([u8; 4], u64)>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(8).read_to_end(&mut bytes)?;
    let kind = bytes.get(..4).and_then(|kind| kind.try_into().ok());
    Ok(kind.filter(|_| bytes.len() == 8).map(|kind| (kind, number(&bytes, 4, 4))))
}

/// Rounds up to even: chunks begin at even bytes.
fn to_even(length: u64) -> u64 {
    length + (length & 1)
}

/// Reads a little-endian number; zero if the bytes are missing.
pub(super) fn number(bytes: &[u8], from: usize, length: usize) -> u64 {
    let part = bytes.get(from..from + length).unwrap_or_default();
    part.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
