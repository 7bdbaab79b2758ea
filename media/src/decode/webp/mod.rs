//! Decodes animated WebP, which libav cannot read before its 8th major version.
//!
//! Each frame is wrapped into a still WebP, which libav's decoder does read, and drawn on a canvas.
//! So no second decoder reads bytes from outside, and still and animated pictures have the same
//! colours.

mod canvas;
mod chunks;

use super::colour::ColourEncoding;
use super::decoders::listed_decoder;
use super::scaler::{FrameRect, ScaleTarget, Scalers};
use super::shown_frame::ShownFrame;
use crate::error::{MediaError, Result};
use crate::ffi;
use canvas::WebpCanvas;
use chunks::{WebpAnimation, WebpFrame};
use composition::plan::Ratio;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, codec, color, decoder, frame};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// An open animated WebP, positioned at a frame.
pub(crate) struct AnimatedWebp {
    path: PathBuf,
    file: File,
    animation: WebpAnimation,
    decoder: decoder::Video,
    scalers: Scalers,
    canvas: WebpCanvas,
    /// The index of the frame drawn last, and the canvas after it.
    drawn: Option<usize>,
    shown: frame::Video,
}

/// The size, alpha and frame times of an animated WebP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnimationTimes {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Set if the file says that it has alpha.
    pub alpha: bool,
    /// The start of each frame, in milliseconds.
    pub starts_ms: Vec<i64>,
    /// The end of the last frame, in milliseconds.
    pub length_ms: i64,
    /// The starts of frames that can be drawn without any before them, in milliseconds.
    pub key_frames_ms: Vec<i64>,
}

/// A frame that begins a millisecond late counts as begun, as for Matroska, which rounds times.
const SLACK_MS: i64 = 1;

impl AnimatedWebp {
    /// Opens a file if it is an animated WebP; `None` if it is something else.
    ///
    /// # Errors
    /// Bad input if it is one and damaged; unsupported if libav was built without its decoder.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let failed =
            |error| MediaError::from_io(format_args!("opening {}", path.display()), &error);
        let mut file = File::open(path).map_err(failed)?;
        let Some(animation) = WebpAnimation::read(&mut file, path)? else { return Ok(None) };
        let decoder_error = |error| MediaError::from_libav("opening the decoder of WebP", error);
        let found = listed_decoder(path, codec::Id::WEBP)?;
        let mut context = codec::Context::new_with_codec(found);
        context.set_threading(codec::threading::Config { count: 1, ..Default::default() });
        let decoder = context
            .decoder()
            .open_as(found)
            .and_then(decoder::Opened::video)
            .map_err(decoder_error)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            decoder,
            scalers: Scalers::default(),
            canvas: WebpCanvas::clear(animation.width, animation.height),
            drawn: None,
            shown: blank(animation.width, animation.height),
            animation,
        }))
    }

    /// Returns the size and the frame times.
    pub(crate) fn times(&self) -> AnimationTimes {
        let frames = || self.animation.frames.iter();
        AnimationTimes {
            size: (self.animation.width, self.animation.height),
            alpha: self.animation.alpha,
            starts_ms: frames().map(|frame| frame.start_ms).collect(),
            length_ms: self.animation.length_ms(),
            key_frames_ms: frames()
                .enumerate()
                .filter(|(at, frame)| *at == 0 || frame.hides_all)
                .map(|(_, frame)| frame.start_ms)
                .collect(),
        }
    }

    /// Returns the frame to show at `seconds`: the last one that begins at or before it.
    ///
    /// # Errors
    /// Bad input if a frame that it builds on is damaged.
    pub(crate) fn frame_at(&mut self, seconds: Ratio) -> Result<ShownFrame<'_>> {
        let exact = (i128::from(seconds.num()) * 1000).div_euclid(i128::from(seconds.den()));
        let latest = i64::try_from(exact).unwrap_or(i64::MAX / 2) + SLACK_MS;
        let begun = self.animation.frames.partition_point(|frame| frame.start_ms <= latest);
        let target = begun.saturating_sub(1);
        if self.drawn != Some(target) {
            self.advance(target)?;
        }
        let ticks = self.animation.frames[target].start_ms;
        Ok(ShownFrame { frame: &self.shown, next: None, ticks, rotation: 0 })
    }

    /// Draws all frames up to one, from the nearest that needs none before it.
    fn advance(&mut self, target: usize) -> Result<()> {
        let key = (0..=target)
            .rev()
            .find(|at| *at == 0 || self.animation.frames[*at].hides_all)
            .unwrap_or(0);
        let first = match self.drawn {
            Some(drawn) if drawn < target && drawn + 1 > key => drawn + 1,
            _ => key,
        };
        if first == key {
            self.canvas = WebpCanvas::clear(self.animation.width, self.animation.height);
        }
        for at in first..=target {
            if at > key {
                self.canvas.clear_after(&self.animation.frames[at - 1]);
            }
            // If drawing fails, the canvas is built again.
            self.drawn = None;
            self.draw_frame(at)?;
            self.drawn = Some(at);
        }
        self.shown = self.as_frame()?;
        Ok(())
    }

    fn draw_frame(&mut self, at: usize) -> Result<()> {
        let frame = self.animation.frames[at].clone();
        let damaged = |why: String| {
            MediaError::BadInput(format!(
                "frame {at} of {} cannot be decoded: {why}; it is damaged",
                self.path.display()
            ))
        };
        let still =
            as_still_webp(&mut self.file, &frame).map_err(|error| damaged(error.to_string()))?;
        self.decoder.flush();
        let mut decoded = frame::Video::empty();
        let sent = self.decoder.send_packet(&Packet::copy(&still));
        sent.and_then(|()| self.decoder.receive_frame(&mut decoded))
            .map_err(|error| damaged(error.to_string()))?;
        if (decoded.width(), decoded.height()) != (frame.width, frame.height) {
            return Err(damaged(format!(
                "it is {} × {}, which is not the size of its rectangle",
                decoded.width(),
                decoded.height()
            )));
        }
        let size = (frame.width as usize, frame.height as usize);
        let target = ScaleTarget { format: Pixel::RGBA, size, keeps_encoding: true };
        let part = FrameRect::whole(size.0, size.1);
        let straight = self.scalers.scale(&decoded, part, target, ColourEncoding::of(&decoded))?;
        self.canvas.draw(&frame, straight.data(0), straight.stride(0));
        Ok(())
    }

    fn as_frame(&self) -> Result<frame::Video> {
        let mut frame = blank(self.animation.width, self.animation.height);
        let (stride, row) = (frame.stride(0), self.animation.width as usize * 4);
        let lines = frame.data_mut(0).chunks_mut(stride).zip(self.canvas.pixels.chunks_exact(row));
        lines.for_each(|(line, pixels)| line[..row].copy_from_slice(pixels));
        if let Some(profile) = &self.animation.profile {
            ffi::attach_profile(&mut frame, profile)
                .map_err(|error| MediaError::from_libav("reading a colour profile", error))?;
        }
        Ok(frame)
    }
}

fn blank(width: u32, height: u32) -> frame::Video {
    let mut frame = frame::Video::new(Pixel::RGBA, width, height);
    frame.set_color_range(color::Range::JPEG);
    frame
}

/// Wraps a frame into a still WebP.
fn as_still_webp(file: &mut File, frame: &WebpFrame) -> std::io::Result<Vec<u8>> {
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    let mut still = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0".to_vec();
    still.extend([side(frame.width), side(frame.height)].concat());
    file.seek(SeekFrom::Start(frame.at))?;
    file.take(frame.bytes).read_to_end(&mut still)?;
    let length = u32::try_from(still.len() - 8).unwrap_or(u32::MAX);
    still[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(still)
}
