//! Decodes animated WebP, which libav cannot read before its 8th major version.
//!
//! Each frame is wrapped into a still WebP, which libav's decoder does read, and drawn on a canvas.
//! So no second decoder reads bytes from outside, and still and animated pictures have the same
//! colours.

mod canvas;
mod chunks;

use super::colour::Meaning;
use super::reader::Shown;
use super::scaler::{Part, Scalers, Target};
use crate::error::{MediaError, Result};
use canvas::Canvas;
use chunks::{Chunks, Piece};
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
    chunks: Chunks,
    decoder: decoder::Video,
    scalers: Scalers,
    canvas: Canvas,
    /// The index of the frame drawn last, and the canvas after it.
    put: Option<usize>,
    shown: frame::Video,
}

/// The size, alpha and frame times of an animated WebP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Show {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Set if the file says that it has alpha.
    pub alpha: bool,
    /// The start of each frame, in milliseconds.
    pub starts_ms: Vec<i64>,
    /// The end of the last frame, in milliseconds.
    pub length_ms: i64,
    /// The starts of frames that can be drawn without any before them, in milliseconds.
    pub fresh_ms: Vec<i64>,
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
        let Some(chunks) = Chunks::read(&mut file, path)? else { return Ok(None) };
        let refused = |error| MediaError::from_libav("opening the decoder of WebP", error);
        let found = decoder::find(codec::Id::WEBP)
            .ok_or(ffmpeg_next::Error::DecoderNotFound)
            .map_err(refused)?;
        let mut context = codec::Context::new_with_codec(found);
        context.set_threading(codec::threading::Config { count: 1, ..Default::default() });
        let decoder =
            context.decoder().open_as(found).and_then(decoder::Opened::video).map_err(refused)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            decoder,
            scalers: Scalers::default(),
            canvas: Canvas::clear(chunks.width, chunks.height),
            put: None,
            shown: blank(chunks.width, chunks.height),
            chunks,
        }))
    }

    /// Returns the size and the frame times.
    pub(crate) fn show(&self) -> Show {
        let pieces = || self.chunks.pieces.iter();
        Show {
            size: (self.chunks.width, self.chunks.height),
            alpha: self.chunks.alpha,
            starts_ms: pieces().map(|piece| piece.start_ms).collect(),
            length_ms: self.chunks.length_ms(),
            fresh_ms: pieces()
                .enumerate()
                .filter(|(at, piece)| *at == 0 || piece.covers)
                .map(|(_, piece)| piece.start_ms)
                .collect(),
        }
    }

    /// Returns the frame to show at `seconds`: the last one that begins at or before it.
    ///
    /// # Errors
    /// Bad input if a frame that it builds on is damaged.
    pub(crate) fn frame_at(&mut self, seconds: Ratio) -> Result<Shown<'_>> {
        let exact = (i128::from(seconds.num()) * 1000).div_euclid(i128::from(seconds.den()));
        let latest = i64::try_from(exact).unwrap_or(i64::MAX / 2) + SLACK_MS;
        let begun = self.chunks.pieces.partition_point(|piece| piece.start_ms <= latest);
        let wanted = begun.saturating_sub(1);
        if self.put != Some(wanted) {
            self.advance(wanted)?;
        }
        let ticks = self.chunks.pieces[wanted].start_ms;
        Ok(Shown { frame: &self.shown, next: None, ticks, rotation: 0 })
    }

    /// Draws all frames up to one, from the nearest that needs none before it.
    fn advance(&mut self, wanted: usize) -> Result<()> {
        let fresh =
            (0..=wanted).rev().find(|at| *at == 0 || self.chunks.pieces[*at].covers).unwrap_or(0);
        let first = match self.put {
            Some(put) if put < wanted && put + 1 > fresh => put + 1,
            _ => fresh,
        };
        if first == fresh {
            self.canvas = Canvas::clear(self.chunks.width, self.chunks.height);
        }
        for at in first..=wanted {
            if at > fresh {
                self.canvas.leave(&self.chunks.pieces[at - 1]);
            }
            // If drawing fails, the canvas is built again.
            self.put = None;
            self.put_piece(at)?;
            self.put = Some(at);
        }
        self.shown = self.as_frame();
        Ok(())
    }

    fn put_piece(&mut self, at: usize) -> Result<()> {
        let piece = self.chunks.pieces[at].clone();
        let damaged = |why: String| {
            MediaError::BadInput(format!(
                "frame {at} of {} cannot be decoded: {why}; it is damaged",
                self.path.display()
            ))
        };
        let still = wrapped(&mut self.file, &piece).map_err(|error| damaged(error.to_string()))?;
        self.decoder.flush();
        let mut decoded = frame::Video::empty();
        let sent = self.decoder.send_packet(&Packet::copy(&still));
        sent.and_then(|()| self.decoder.receive_frame(&mut decoded))
            .map_err(|error| damaged(error.to_string()))?;
        if (decoded.width(), decoded.height()) != (piece.width, piece.height) {
            return Err(damaged(format!(
                "it is {} × {} and not as large as its place",
                decoded.width(),
                decoded.height()
            )));
        }
        let size = (piece.width as usize, piece.height as usize);
        let target = Target { format: Pixel::RGBA, size, keeps_meaning: true };
        let part = Part::whole(size.0, size.1);
        let straight = self.scalers.scale(&decoded, part, target, Meaning::of(&decoded))?;
        self.canvas.put(&piece, straight.data(0), straight.stride(0));
        Ok(())
    }

    fn as_frame(&self) -> frame::Video {
        let mut frame = blank(self.chunks.width, self.chunks.height);
        let (stride, row) = (frame.stride(0), self.chunks.width as usize * 4);
        let lines = frame.data_mut(0).chunks_mut(stride).zip(self.canvas.pixels.chunks_exact(row));
        lines.for_each(|(line, pixels)| line[..row].copy_from_slice(pixels));
        frame
    }
}

fn blank(width: u32, height: u32) -> frame::Video {
    let mut frame = frame::Video::new(Pixel::RGBA, width, height);
    frame.set_color_range(color::Range::JPEG);
    frame
}

/// Wraps a frame into a still WebP.
fn wrapped(file: &mut File, piece: &Piece) -> std::io::Result<Vec<u8>> {
    let side = |length: u32| (length - 1).to_le_bytes()[..3].to_vec();
    let mut still = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0".to_vec();
    still.extend([side(piece.width), side(piece.height)].concat());
    file.seek(SeekFrom::Start(piece.at))?;
    file.take(piece.bytes).read_to_end(&mut still)?;
    let length = u32::try_from(still.len() - 8).unwrap_or(u32::MAX);
    still[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(still)
}
