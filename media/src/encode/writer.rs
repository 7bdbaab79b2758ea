//! Encodes pictures into a file with one video stream: a segment.

use super::annexb::{self, Nal};
use super::frames::FrameSlot;
use super::recipe::{container, libav_pixel, open_encoder};
use crate::error::{MediaError, Result};
use crate::picture::planes::Picture;
use composition::plan::{Canvas, Recipe, VideoCodec};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::encoder;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Packet, Rational};
use std::path::{Path, PathBuf};

/// An encoder and the file that it writes.
pub(crate) struct SegmentWriter {
    path: PathBuf,
    codec: VideoCodec,
    encoder: encoder::video::Encoder,
    slot: FrameSlot,
    output: Output,
    frame_time: Rational,
    stream_time: Rational,
    pictures: u64,
    packets: u64,
}

impl SegmentWriter {
    /// Opens the encoder and the file.
    ///
    /// # Errors
    /// Unsupported if libav lacks the encoder; out of space or internal if the file cannot be
    /// opened.
    pub(crate) fn create(recipe: &Recipe, canvas: &Canvas, path: &Path) -> Result<Self> {
        let failed =
            |error| MediaError::from_libav(format_args!("creating {}", path.display()), error);
        let encoder = open_encoder(recipe, canvas)?;
        let mut output =
            ffmpeg::format::output_as(path, container(recipe.codec)).map_err(failed)?;
        let frame_time = Rational(canvas.rate.den as i32, canvas.rate.num as i32);
        {
            let mut stream = output.add_stream_with(&encoder).map_err(failed)?;
            stream.set_time_base(frame_time);
            stream.set_avg_frame_rate(frame_time.invert());
        }
        let mut options = ffmpeg::Dictionary::new();
        options.set("fflags", "+bitexact");
        output.write_header_with(options).map_err(failed)?;
        let stream_time = output.stream(0).map_or(frame_time, |stream| stream.time_base());
        Ok(Self {
            path: path.to_owned(),
            codec: recipe.codec,
            encoder,
            slot: FrameSlot::new(libav_pixel(recipe.pixel_format), canvas.width, canvas.height),
            output,
            frame_time,
            stream_time,
            pictures: 0,
            packets: 0,
        })
    }

    /// Encodes the next picture; its time is its number.
    ///
    /// # Errors
    /// Errors from the encoder and the file.
    pub(crate) fn push(&mut self, picture: &Picture) -> Result<()> {
        let frame = self.slot.fill(picture)?;
        frame.set_pts(Some(self.pictures as i64));
        // The encoder would take a kind left from decoding or from the last encoding as a request.
        frame.set_kind(ffmpeg::picture::Type::None);
        self.pictures += 1;
        self.encoder
            .send_frame(frame)
            .map_err(|error| MediaError::from_libav("encoding a frame", error))?;
        self.drain()
    }

    /// Encodes the frames still pending, and closes the file.
    ///
    /// # Errors
    /// Errors from the encoder and the file.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.encoder
            .send_eof()
            .map_err(|error| MediaError::from_libav("flushing the encoder", error))?;
        self.drain()?;
        self.output.write_trailer().map_err(|error| self.failed("closing", error))?;
        Ok(self.pictures)
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => self.write(packet)?,
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => return Ok(()),
                Err(error) => return Err(MediaError::from_libav("encoding", error)),
            }
        }
    }

    fn write(&mut self, packet: Packet) -> Result<()> {
        self.packets += 1;
        if self.packets == 1 && !self.is_key_frame(&packet) {
            let sentence = "decoding cannot begin at the encoder's first packet";
            return Err(MediaError::Internal(sentence.into()));
        }
        let mut packet = self.without_sei(packet);
        packet.set_stream(0);
        packet.set_duration(1);
        packet.rescale_ts(self.frame_time, self.stream_time);
        packet.write_interleaved(&mut self.output).map_err(|error| self.failed("writing", error))
    }

    fn is_key_frame(&self, packet: &Packet) -> bool {
        let units = annexb::units(self.codec, packet.data().unwrap_or_default());
        match self.codec {
            VideoCodec::H264 | VideoCodec::H265 => units.iter().any(|(nal, _)| *nal == Nal::Idr),
            VideoCodec::Vp9 | VideoCodec::Ffv1 => packet.is_key(),
        }
    }

    /// Removes the encoder's name and settings, which differ between builds.
    fn without_sei(&self, packet: Packet) -> Packet {
        let Some(data) = packet.data().filter(|data| annexb::has_sei(self.codec, data)) else {
            return packet;
        };
        let mut stripped = Packet::copy(&annexb::without_sei(self.codec, data));
        stripped.set_flags(packet.flags());
        stripped.set_pts(packet.pts());
        stripped.set_dts(packet.dts());
        stripped.set_duration(packet.duration());
        stripped
    }

    fn failed(&self, doing: &str, error: ffmpeg::Error) -> MediaError {
        MediaError::from_libav(format_args!("{doing} {}", self.path.display()), error)
    }
}
