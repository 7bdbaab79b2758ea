//! Clips made by code. Each frame shows its number as a row of black and white fields.

use crate::picture::planes::Picture;
use composition::plan::Rgba;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, Rational, color, frame};
use std::path::Path;

/// Bits of a frame's number that are drawn.
pub(crate) const BITS: usize = 10;

/// The settings of a clip.
pub(crate) struct Clip {
    pub width: usize,
    pub height: usize,
    /// Seconds a tick.
    pub time_base: (i32, i32),
    /// The start of each frame, in ticks.
    pub times: Vec<i64>,
    pub codec: &'static str,
    pub format: &'static str,
    pub options: &'static [(&'static str, &'static str)],
    pub gop: u32,
    pub pixels: Pixel,
    pub open_gop: bool,
    /// Degrees in the stream's `rotate` tag.
    pub turn: Option<&'static str>,
}

impl Clip {
    /// `frames` frames at an even rate, in H.264 with B-frames, in MP4.
    pub(crate) fn even(rate: (i32, i32), frames: i64) -> Self {
        Self {
            width: 160,
            height: 96,
            time_base: (rate.1, rate.0),
            times: (0..frames).collect(),
            codec: "libx264",
            format: "mp4",
            options: &[("preset", "veryfast"), ("crf", "12"), ("bf", "2")],
            gop: 12,
            pixels: Pixel::YUV420P,
            open_gop: false,
            turn: None,
        }
    }

    pub(crate) fn make(&self, path: &Path) {
        let found = encoder::find_by_name(self.codec).expect("the encoder is there");
        let mut video =
            codec::Context::new_with_codec(found).encoder().video().expect("an encoder");
        video.set_width(self.width as u32);
        video.set_height(self.height as u32);
        video.set_format(self.pixels);
        video.set_time_base(self.time_base);
        video.set_gop(self.gop);
        video.set_colorspace(color::Space::BT709);
        video.set_color_range(color::Range::MPEG);
        let mut flags = codec::Flags::GLOBAL_HEADER;
        if !self.open_gop {
            flags |= codec::Flags::CLOSED_GOP;
        }
        video.set_flags(flags);
        let mut options = ffmpeg::Dictionary::new();
        for (key, value) in self.options {
            options.set(key, value);
        }
        let mut encoder = video.open_as_with(found, options).expect("it opens");
        let mut output = ffmpeg::format::output_as(path, self.format).expect("the file begins");
        let mut stream = output.add_stream_with(&encoder).expect("a stream");
        stream.set_time_base(self.time_base);
        if let Some(turn) = self.turn {
            let mut tags = ffmpeg::Dictionary::new();
            tags.set("rotate", turn);
            stream.set_metadata(tags);
        }
        output.write_header().expect("the header");
        let stream_time = output.stream(0).expect("the stream").time_base();
        let mut drain = |encoder: &mut encoder::video::Encoder| {
            let mut packet = Packet::empty();
            while encoder.receive_packet(&mut packet).is_ok() {
                packet.set_stream(0);
                // Without a duration the last frame has no length, and MP4's edit list leaves it
                // out.
                packet.set_duration(packet.duration().max(1));
                packet.rescale_ts(Rational::from(self.time_base), stream_time);
                packet.write_interleaved(&mut output).expect("written");
                packet = Packet::empty();
            }
        };
        for (number, time) in self.times.iter().enumerate() {
            let mut frame = self.draw(number);
            frame.set_pts(Some(*time));
            encoder.send_frame(&frame).expect("encoded");
            drain(&mut encoder);
        }
        encoder.send_eof().expect("ended");
        drain(&mut encoder);
        output.write_trailer().expect("the end");
    }

    fn draw(&self, number: usize) -> frame::Video {
        let mut frame = frame::Video::new(self.pixels, self.width as u32, self.height as u32);
        let planes = if matches!(self.pixels, Pixel::BGRA | Pixel::BGR8) { 1 } else { 3 };
        for plane in 0..planes {
            let stride = frame.stride(plane);
            let rows = frame.plane_height(plane) as usize;
            let data = frame.data_mut(plane);
            for row in 0..rows {
                for column in 0..stride {
                    data[row * stride + column] = match (self.pixels, plane) {
                        (Pixel::BGR8, _) => bit_luma(number, column, self.width, 0, 255),
                        (Pixel::BGRA, _) => bit_luma(number, column / 4, self.width, 0, 255),
                        (_, 0) => bit_luma(number, column, self.width, 16, 235),
                        _ => 128,
                    };
                }
            }
        }
        frame
    }
}

fn bit_luma(number: usize, column: usize, width: usize, low: u8, high: u8) -> u8 {
    let bit = (column * BITS / width).min(BITS - 1);
    if number >> bit & 1 == 1 { high } else { low }
}

/// Reads the number that a frame shows.
pub(crate) fn number_in(picture: &Picture) -> usize {
    number_at(&picture.y, picture.width, picture.width, picture.height / 2)
}

pub(crate) fn number_at(luma: &[u8], stride: usize, width: usize, row: usize) -> usize {
    (0..BITS)
        .filter(|bit| luma[row * stride + (bit * width + width / 2) / BITS] > 126)
        .map(|bit| 1 << bit)
        .sum()
}

/// Writes a still of one colour, as PNG.
pub(crate) fn still(path: &Path, width: usize, height: usize, colour: Rgba) {
    let mut picture = Picture::filled(width, height, colour);
    if colour.0[3] < 255 {
        crate::picture::blend::mask(&mut picture, &vec![colour.0[3]; width * height]);
    }
    crate::encode::still::write_still(&picture, path).expect("a still");
}
