//! Encodes GIF and animated WebP as a whole, from lossless segments.
//!
//! A GIF has 256 colours for all its frames. A first pass chooses them and a second pass dithers to
//! them, so that memory does not grow with the length: a single pass would hold every frame until
//! the colours are known.

use super::frames::FrameSource;
use crate::protocol::Progress;
use crate::{MediaError, Result};
use composition::plan::Assemble;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::context::Output;
use ffmpeg_next::{Dictionary, Packet, Rational, frame};
use std::path::Path;

/// GIF counts time in hundredths of a second.
const GIF_TIME: Rational = Rational(1, 100);
/// The least delay of a GIF's frame that every browser keeps, in [`GIF_TIME`]: a shorter one is
/// shown for a tenth of a second.
const LEAST_GIF_DELAY: i64 = 2;
/// 256 colours, in the layout that libavfilter uses.
const PALETTE: (u32, u32) = (16, 16);
/// WebP counts time in milliseconds.
const WEBP_TIME: Rational = Rational(1, 1000);

/// Writes a GIF and returns the number of its frames. Above 50 frames a second some are left out,
/// and the length stays.
///
/// # Errors
/// Errors from decoding, encoding and writing.
pub(super) fn gif(
    plan: &Assemble,
    frames: &FrameSource<'_>,
    out: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<u64> {
    let mut steps = StepProgress { done: 0, total: plan.frames * 2, report };
    let palette = choose_colours(plan, frames, &mut steps)?;
    // −1 plays once; n plays n times more.
    let repeats = match plan.plays {
        None => "0".to_owned(),
        Some(0 | 1) => "-1".to_owned(),
        Some(plays) => (plays - 1).to_string(),
    };
    // By default the last frame lasts as long as the one before it, which rounding may have
    // shortened.
    let shown: Vec<i64> = (0..plan.frames).filter_map(|frame| gif_tick(plan, frame)).collect();
    let last = (ticks(plan, plan.frames, GIF_TIME) - shown.last().unwrap_or(&0)).to_string();
    let options = [("loop", repeats.as_str()), ("final_delay", &last)];
    let mut writer =
        AnimationWriter::create(plan, ("gif", "gif", Pixel::PAL8), GIF_TIME, &options, out)?;
    let mut dither = FilterGraph::new(
        plan,
        &["pictures", "palette"],
        "[pictures][palette]paletteuse=dither=sierra2_4a:diff_mode=rectangle",
    )?;
    dither.feed("palette", palette)?;
    dither.close("palette")?;
    let mut write = |dither: &mut FilterGraph| -> Result<()> {
        while let Some(mut dithered) = dither.take()? {
            let number = dithered.pts().unwrap_or(0) as u64;
            writer.push(&mut dithered, gif_tick(plan, number).unwrap_or(0))?;
        }
        Ok(())
    };
    frames.each(|number, frame| {
        if gif_tick(plan, number).is_some() {
            dither.feed("pictures", as_bgra(frame, number)?)?;
            write(&mut dither)?;
        }
        steps.advance();
        Ok(())
    })?;
    dither.close("pictures")?;
    write(&mut dither)?;
    writer.finish()?;
    Ok(shown.len() as u64)
}

/// Returns the tick at which a GIF shows a frame; none if it leaves the frame out. Where frames
/// come faster than [`LEAST_GIF_DELAY`], time is cut into parts of that length, and each part shows
/// the first frame that begins in it.
fn gif_tick(plan: &Assemble, frame: u64) -> Option<i64> {
    let (num, den) = (u64::from(plan.rate.num), u64::from(plan.rate.den));
    let parts_a_second = (GIF_TIME.1 as u64) / LEAST_GIF_DELAY as u64;
    if num <= parts_a_second * den {
        return Some(ticks(plan, frame, GIF_TIME));
    }
    let part = |frame: u64| frame * parts_a_second * den / num;
    let is_first = frame == 0 || part(frame) != part(frame - 1);
    is_first.then(|| part(frame) as i64 * LEAST_GIF_DELAY)
}

/// Returns the tick at which a frame begins.
fn ticks(plan: &Assemble, frame: u64, time: Rational) -> i64 {
    use ffmpeg::Rescale;
    (frame as i64).rescale(Rational(plan.rate.den as i32, plan.rate.num as i32), time)
}

/// Writes an animated WebP.
///
/// # Errors
/// Errors from decoding, encoding and writing.
pub(super) fn webp(
    plan: &Assemble,
    frames: &FrameSource<'_>,
    out: &Path,
    report: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut steps = StepProgress { done: 0, total: plan.frames, report };
    let plays = plan.plays.unwrap_or(0).to_string();
    let format = ("libwebp_anim", "webp", Pixel::BGRA);
    let mut writer = AnimationWriter::create(plan, format, WEBP_TIME, &[("loop", &plays)], out)?;
    frames.each(|number, frame| {
        let mut picture = as_bgra(frame, number)?;
        writer.push(&mut picture, ticks(plan, number, WEBP_TIME))?;
        steps.advance();
        Ok(())
    })?;
    writer.finish()
}

struct StepProgress<'a> {
    done: u64,
    total: u64,
    report: &'a mut dyn FnMut(Progress),
}

impl StepProgress<'_> {
    fn advance(&mut self) {
        self.done += 1;
        (self.report)(Progress { done: self.done, total: self.total });
    }
}

fn choose_colours(
    plan: &Assemble,
    frames: &FrameSource<'_>,
    steps: &mut StepProgress<'_>,
) -> Result<frame::Video> {
    let mut palette_filter =
        FilterGraph::new(plan, &["pictures"], "[pictures]palettegen=stats_mode=full")?;
    frames.each(|number, frame| {
        palette_filter.feed("pictures", as_bgra(frame, number)?)?;
        steps.advance();
        Ok(())
    })?;
    palette_filter.close("pictures")?;
    palette_filter
        .take()?
        .ok_or_else(|| MediaError::Internal("no colours were chosen for the GIF".into()))
}

/// Converts a frame of a lossless segment to packed blue, green, red and alpha, timed by its
/// number.
fn as_bgra(frame: &frame::Video, number: u64) -> Result<frame::Video> {
    let (width, height) = (frame.width(), frame.height());
    let opaque = match frame.format() {
        Pixel::BGRA => false,
        Pixel::BGRZ => true,
        other => {
            return Err(MediaError::Internal(format!(
                "a lossless segment has the unexpected pixel format {other:?}"
            )));
        }
    };
    let mut copy = frame::Video::new(Pixel::BGRA, width, height);
    let (from, to) = (frame.stride(0), copy.stride(0));
    let row_bytes = width as usize * 4;
    for (row, source) in copy.data_mut(0).chunks_mut(to).zip(frame.data(0).chunks(from)) {
        row[..row_bytes].copy_from_slice(&source[..row_bytes]);
        if opaque {
            row[..row_bytes].iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 255);
        }
    }
    copy.set_pts(Some(number as i64));
    Ok(copy)
}

/// A libavfilter graph over pictures.
struct FilterGraph {
    graph: Graph,
}

impl FilterGraph {
    /// Creates the graph. An input called `palette` is a palette; all others have the canvas's
    /// size.
    fn new(plan: &Assemble, inputs: &[&str], spec: &str) -> Result<Self> {
        build(plan, inputs, spec)
            .map(|graph| Self { graph })
            .map_err(|error| MediaError::from_libav("preparing the GIF's colours", error))
    }

    fn feed(&mut self, input: &str, frame: frame::Video) -> Result<()> {
        // The graph takes ownership of the frame.
        self.source(input, |mut context| context.source().add(&frame))
    }

    fn close(&mut self, input: &str) -> Result<()> {
        self.source(input, |mut context| context.source().flush())
    }

    fn source(
        &mut self,
        input: &str,
        act: impl FnOnce(filter::Context) -> Result<(), ffmpeg::Error>,
    ) -> Result<()> {
        self.graph
            .get(input)
            .ok_or(ffmpeg::Error::FilterNotFound)
            .and_then(act)
            .map_err(|error| MediaError::from_libav("choosing the GIF's colours", error))
    }

    fn take(&mut self) -> Result<Option<frame::Video>> {
        let mut frame = frame::Video::empty();
        let taken = self
            .graph
            .get("out")
            .ok_or(ffmpeg::Error::FilterNotFound)
            .and_then(|mut out| out.sink().frame(&mut frame));
        match taken {
            Ok(()) => Ok(Some(frame)),
            Err(ffmpeg::Error::Eof) => Ok(None),
            Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => Ok(None),
            Err(error) => Err(MediaError::from_libav("choosing the GIF's colours", error)),
        }
    }
}

fn build(plan: &Assemble, inputs: &[&str], spec: &str) -> Result<Graph, ffmpeg::Error> {
    let mut graph = Graph::new();
    let find = |name| filter::find(name).ok_or(ffmpeg::Error::FilterNotFound);
    let format = ffmpeg::ffi::AVPixelFormat::from(Pixel::BGRA) as i32;
    for input in inputs {
        let (width, height) = if *input == "palette" { PALETTE } else { (plan.width, plan.height) };
        let (num, den) = (plan.rate.den, plan.rate.num);
        let arguments = format!(
            "video_size={width}x{height}:pix_fmt={format}:time_base={num}/{den}:pixel_aspect=1/1"
        );
        graph.add(&find("buffer")?, input, &arguments)?;
    }
    graph.add(&find("buffersink")?, "out", "")?;
    let mut parser = graph.output(inputs[0], 0)?;
    for input in &inputs[1..] {
        parser = parser.output(input, 0)?;
    }
    parser.input("out", 0)?.parse(&format!("{spec}[out]"))?;
    graph.validate()?;
    Ok(graph)
}

/// An encoder of pictures and the file that it writes.
struct AnimationWriter<'a> {
    path: &'a Path,
    encoder: encoder::video::Encoder,
    output: Output,
    encoder_time: Rational,
    stream_time: Rational,
}

impl<'a> AnimationWriter<'a> {
    /// The triple has libav's names of encoder and container, and the pixel format. `settings` go
    /// to the container.
    fn create(
        plan: &Assemble,
        (encoder, container, pixels): (&str, &str, Pixel),
        encoder_time: Rational,
        settings: &[(&str, &str)],
        path: &'a Path,
    ) -> Result<Self> {
        let failed =
            |error| MediaError::from_libav(format_args!("creating {}", path.display()), error);
        let codec = encoder::find_by_name(encoder).ok_or_else(|| {
            MediaError::Unsupported(format!("this build of libav has no encoder {encoder}"))
        })?;
        let mut video = codec::Context::new_with_codec(codec).encoder().video().map_err(failed)?;
        video.set_width(plan.width);
        video.set_height(plan.height);
        video.set_format(pixels);
        video.set_time_base(encoder_time);
        video.set_flags(codec::Flags::BITEXACT);
        let encoder = video.open_as(codec).map_err(failed)?;
        let mut output = ffmpeg::format::output_as(path, container).map_err(failed)?;
        output.add_stream_with(&encoder).map_err(failed)?.set_time_base(encoder_time);
        let mut options = Dictionary::new();
        options.set("fflags", "+bitexact");
        settings.iter().for_each(|(name, value)| options.set(name, value));
        output.write_header_with(options).map_err(failed)?;
        let stream_time = output.stream(0).map_or(encoder_time, |stream| stream.time_base());
        Ok(Self { path, encoder, output, encoder_time, stream_time })
    }

    /// Encodes a frame that is shown from a tick on.
    fn push(&mut self, picture: &mut frame::Video, tick: i64) -> Result<()> {
        picture.set_pts(Some(tick));
        picture.set_kind(ffmpeg::picture::Type::None);
        self.encoder
            .send_frame(picture)
            .map_err(|error| MediaError::from_libav("encoding a picture", error))?;
        self.drain()
    }

    fn finish(mut self) -> Result<()> {
        self.encoder
            .send_eof()
            .map_err(|error| MediaError::from_libav("flushing the encoder", error))?;
        self.drain()?;
        self.output.write_trailer().map_err(|error| {
            MediaError::from_libav(format_args!("closing {}", self.path.display()), error)
        })
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            let mut packet = Packet::empty();
            match self.encoder.receive_packet(&mut packet) {
                // Both containers take a frame's length from the next frame's time.
                Ok(()) => {
                    packet.set_stream(0);
                    packet.rescale_ts(self.encoder_time, self.stream_time);
                    packet.write_interleaved(&mut self.output).map_err(|error| {
                        MediaError::from_libav(
                            format_args!("writing {}", self.path.display()),
                            error,
                        )
                    })?;
                }
                Err(ffmpeg::Error::Eof) => return Ok(()),
                Err(ffmpeg::Error::Other { errno }) if errno == libc::EAGAIN => return Ok(()),
                Err(error) => return Err(MediaError::from_libav("encoding a picture", error)),
            }
        }
    }
}
