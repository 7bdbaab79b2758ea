//! Encodes samples into a file with one sound stream.
//!
//! The file does not record when it was made or by which software, so equal samples give equal
//! bytes. Codecs with priming (AAC, Opus, MP3) state in the container how much to drop at both
//! ends, so a reader gets exactly the samples that went in.

use super::stereo::Stereo;
use crate::{MediaError, Result};
use composition::plan::{SoundCodec, SoundRecipe};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::context::Output;
use ffmpeg_next::util::format::sample::{Sample, Type};
use ffmpeg_next::{ChannelLayout, Packet, Rational, frame};
use std::path::{Path, PathBuf};

/// Samples a frame, for codecs without a frame size.
const FREE_FRAME: usize = 4_096;

/// Returns libav's names of a codec's encoder and container, and the sample format that the encoder
/// takes.
fn libav_names(codec: SoundCodec) -> (&'static str, &'static str, Sample) {
    match codec {
        SoundCodec::Aac => ("aac", "mp4", Sample::F32(Type::Planar)),
        SoundCodec::Opus => ("libopus", "webm", Sample::F32(Type::Packed)),
        SoundCodec::Mp3 => ("libmp3lame", "mp3", Sample::F32(Type::Planar)),
        SoundCodec::Pcm16 => ("pcm_s16le", "wav", Sample::I16(Type::Packed)),
    }
}

/// An encoder and the file that it writes.
pub(crate) struct SoundWriter {
    path: PathBuf,
    encoder: encoder::audio::Encoder,
    format: Sample,
    rate: u32,
    output: Output,
    stream_time: Rational,
    /// Samples that do not fill a frame yet.
    pending: Vec<Stereo>,
    frame_size: usize,
    sent: i64,
    /// Compensates for the encoder's own scaling.
    gain: f32,
}

impl SoundWriter {
    /// Opens the encoder and the file.
    ///
    /// # Errors
    /// Unsupported if libav lacks the encoder; out of space or internal if the file can't be
    /// opened.
    pub(crate) fn create(recipe: &SoundRecipe, path: &Path) -> Result<Self> {
        let (_, container, format) = libav_names(recipe.codec);
        let encoder = open_encoder(recipe)?;
        let failed =
            |error| MediaError::from_libav(format_args!("creating {}", path.display()), error);
        let mut output = ffmpeg::format::output_as(path, container).map_err(failed)?;
        let time = Rational(1, recipe.rate as i32);
        output.add_stream_with(&encoder).map_err(failed)?.set_time_base(time);
        let mut options = ffmpeg::Dictionary::new();
        options.set("fflags", "+bitexact");
        if container == "mp4" {
            // Edit lists count in this timescale; in the default milliseconds they could not
            // address the last sample.
            options.set("movie_timescale", &recipe.rate.to_string());
        }
        output.write_header_with(options).map_err(failed)?;
        let frame_size = match encoder.frame_size() as usize {
            0 => FREE_FRAME,
            size => size,
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            rate: recipe.rate,
            stream_time: output.stream(0).map_or(time, |stream| stream.time_base()),
            encoder,
            output,
            pending: Vec::new(),
            frame_size,
            sent: 0,
            gain: 1.0 / encoder_scale(recipe),
        })
    }

    /// Encodes samples.
    ///
    /// # Errors
    /// Errors from the encoder and the file.
    pub(crate) fn push(&mut self, samples: &[Stereo]) -> Result<()> {
        self.pending.extend_from_slice(samples);
        let pending = std::mem::take(&mut self.pending);
        let (whole, rest) = pending.split_at(pending.len() / self.frame_size * self.frame_size);
        for frame in whole.chunks(self.frame_size) {
            self.send(frame)?;
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// Encodes the pending samples, closes the file, and returns the number of samples that went
    /// in.
    ///
    /// # Errors
    /// Errors from the encoder and the file.
    pub(crate) fn finish(mut self) -> Result<u64> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.send(&pending)?;
        }
        self.encoder
            .send_eof()
            .map_err(|error| MediaError::from_libav("flushing the sound encoder", error))?;
        self.drain()?;
        self.output.write_trailer().map_err(|error| {
            MediaError::from_libav(format_args!("closing {}", self.path.display()), error)
        })?;
        Ok(self.sent as u64)
    }

    fn send(&mut self, samples: &[Stereo]) -> Result<()> {
        let mut frame = frame::Audio::new(self.format, samples.len(), ChannelLayout::STEREO);
        frame.set_rate(self.rate);
        frame.set_pts(Some(self.sent));
        fill(&mut frame, samples, self.gain);
        self.sent += samples.len() as i64;
        self.encoder
            .send_frame(&frame)
            .map_err(|error| MediaError::from_libav("encoding sound", error))?;
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                Ok(()) => {
                    packet.set_stream(0);
                    packet.rescale_ts(Rational(1, self.rate as i32), self.stream_time);
                    packet.write_interleaved(&mut self.output).map_err(|error| {
                        MediaError::from_libav(
                            format_args!("writing {}", self.path.display()),
                            error,
                        )
                    })?;
                }
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => return Ok(()),
                Err(error) => return Err(MediaError::from_libav("encoding sound", error)),
            }
        }
    }
}

/// Returns the factor by which an encoder scales its input unasked. LAME does so below 256 kbit/s,
/// to stay clear of full scale (`abr_switch_map` in its `presets.c`). It takes floats, so scaling
/// the other way first clips nothing.
fn encoder_scale(recipe: &SoundRecipe) -> f32 {
    match (recipe.codec, recipe.bitrate) {
        (SoundCodec::Mp3, ..=160_000) => 0.95,
        (SoundCodec::Mp3, ..=192_000) => 0.97,
        (SoundCodec::Mp3, ..=224_000) => 0.98,
        _ => 1.0,
    }
}

fn open_encoder(recipe: &SoundRecipe) -> Result<encoder::audio::Encoder> {
    let (name, _, format) = libav_names(recipe.codec);
    let codec = encoder::find_by_name(name).ok_or_else(|| {
        MediaError::Unsupported(format!("this build of libav has no encoder {name}"))
    })?;
    let failed = |error| MediaError::from_libav(format_args!("opening the encoder {name}"), error);
    let mut audio = codec::Context::new_with_codec(codec).encoder().audio().map_err(failed)?;
    audio.set_rate(recipe.rate as i32);
    audio.set_format(format);
    audio.set_channel_layout(ChannelLayout::STEREO);
    audio.set_channels(2);
    audio.set_time_base((1, recipe.rate as i32));
    if recipe.codec != SoundCodec::Pcm16 {
        audio.set_bit_rate(recipe.bitrate as usize);
    }
    audio.set_flags(codec::Flags::GLOBAL_HEADER | codec::Flags::BITEXACT);
    audio.open_as(codec).map_err(failed)
}

fn fill(frame: &mut frame::Audio, samples: &[Stereo], gain: f32) {
    match frame.format() {
        Sample::F32(Type::Planar) => {
            for channel in 0..2 {
                let plane: &mut [f32] = frame.plane_mut(channel);
                for (place, sample) in plane.iter_mut().zip(samples) {
                    *place = sample[channel] * gain;
                }
            }
        }
        Sample::F32(Type::Packed) => {
            let plane: &mut [(f32, f32)] = frame.plane_mut(0);
            for (place, [left, right]) in plane.iter_mut().zip(samples) {
                *place = (*left * gain, *right * gain);
            }
        }
        _ => {
            let plane: &mut [(i16, i16)] = frame.plane_mut(0);
            for (place, [left, right]) in plane.iter_mut().zip(samples) {
                *place = (to_i16(*left * gain), to_i16(*right * gain));
            }
        }
    }
}

/// Rounds to the nearest of the 65,536 steps, and clips at full scale.
fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}
