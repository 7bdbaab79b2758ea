//! Probes a file for the facts with which a composition is compiled.
//!
//! Facts are measured, not taken from headers: a header may lie, and a guess costs a wrong frame
//! later. Packets are counted and their times read, for which nothing is decoded, and every stream
//! must give at least one frame or block of sound before it is listed. Files that are neither
//! picture nor sound are recognised by their first bytes: fonts, SVG, colour tables, subtitles.

mod font;
mod sound;
mod still;
mod subtitles;
mod table;
mod timeline;
mod video;
mod webp;

use crate::decode::open::open_input;
use crate::decode::still::StillPicture;
use crate::decode::svg::Svg;
use crate::decode::webp::AnimatedWebp;
use crate::protocol::Progress;
use crate::text::fonts::{FontBook, FontFolders};
use crate::{MediaError, Result, ffi};
use composition::plan::{AudioFacts, ColourFacts, Facts, Ratio, SourceHash, VideoFacts};
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use std::io::Read;
use std::path::Path;
use timeline::PacketTimelines;

/// The most streams of one kind that are read; a file with more is hostile.
const MAX_STREAMS: usize = 16;
/// Bytes that are enough to recognise fonts, colour tables and subtitles.
const HEAD: u64 = 4096;

/// Returns the facts of a file. `hash` is the hash of its bytes, which the caller knows.
///
/// # Errors
/// Bad input if it is empty, damaged, or nothing that the engine reads; unsupported if its
/// container is read and its codecs are not.
pub fn probe(path: &Path, hash: &SourceHash) -> Result<Facts> {
    probe_with_progress(path, hash, &mut |_| {})
}

/// As [`probe`], and reports progress in bytes.
///
/// # Errors
/// As [`probe`].
pub fn probe_with_progress(
    path: &Path,
    hash: &SourceHash,
    report: &mut dyn FnMut(Progress),
) -> Result<Facts> {
    let head = read_head(path)?;
    if head.is_empty() {
        return Err(MediaError::BadInput(format!("{} is empty", path.display())));
    }
    if is_heic(&head) {
        let path = path.display();
        return Err(MediaError::Unsupported(format!(
            "{path} is a HEIC picture, which is not read here: save it as JPEG, PNG or WebP"
        )));
    }
    if font::is_font(&head) {
        return Ok(Facts { faces: font::faces(path)?, ..Facts::empty(hash.clone(), "font") });
    }
    if let Some(svg) = Svg::open(path, &FontBook::new(&[], FontFolders(Vec::new()))?)? {
        return Ok(Facts {
            image: true,
            writes: svg.has_text(),
            video: vec![svg_facts(&svg)],
            ..Facts::empty(hash.clone(), "svg")
        });
    }
    if table::is_table(&head) {
        table::check(path)?;
        return Ok(Facts::empty(hash.clone(), "lut"));
    }
    if subtitles::are_subtitles(&head) {
        return Ok(Facts {
            text: Some(subtitles::read(path)?),
            ..Facts::empty(hash.clone(), "subtitles")
        });
    }
    if let Some(still) = StillPicture::open(path)? {
        return Ok(still::facts(&still, Facts::empty(hash.clone(), still.format())));
    }
    if let Some(webp) = AnimatedWebp::open(path)? {
        return webp::facts(webp, Facts::empty(hash.clone(), "webp"));
    }
    probe_media(path, hash, report)
}

fn read_head(path: &Path) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        MediaError::from_io(format_args!("reading {}", path.display()), &error)
    };
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    Ok(head)
}

fn svg_facts(svg: &Svg) -> VideoFacts {
    let (width, height) = svg.size();
    let unknown = || "unknown".to_owned();
    VideoFacts {
        index: 0,
        codec: "svg".to_owned(),
        width,
        height,
        rotation: 0,
        sar: Ratio::ONE,
        rate: None,
        variable_rate: false,
        frames: Some(1),
        pixel_format: "rgba".to_owned(),
        bits: 8,
        colour: ColourFacts {
            matrix: unknown(),
            primaries: unknown(),
            transfer: unknown(),
            range: "pc".to_owned(),
        },
        interlaced: false,
        alpha: true,
        start: Ratio::ZERO,
        keyframes: Vec::new(),
    }
}

fn probe_media(path: &Path, hash: &SourceHash, report: &mut dyn FnMut(Progress)) -> Result<Facts> {
    let total = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut input = open_input(path)?;
    let container = input.format().name().to_owned();
    let origin_us = ffi::start_time(&input).unwrap_or(0);
    let streams = usable_streams(&input);
    let timelines =
        PacketTimelines::read(&mut input, origin_us, &mut |done| report(Progress { done, total }));
    let mut first_error = None;
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for (index, kind) in streams {
        let Some(stream) = input.stream(index) else { continue };
        let outcome = match kind {
            ffmpeg::media::Type::Video => {
                video::facts(path, &stream, timelines.of(index)).map(|facts| video.push(facts))
            }
            _ => sound::facts(path, &stream, timelines.of(index)).map(|facts| audio.push(facts)),
        };
        if let Err(error) = outcome {
            first_error.get_or_insert(error);
        }
    }
    if video.is_empty() && audio.is_empty() {
        let no_streams = || {
            MediaError::BadInput(format!(
                "{} has neither pictures nor sound that can be read",
                path.display()
            ))
        };
        return Err(first_error.unwrap_or_else(no_streams));
    }
    let image =
        audio.is_empty() && is_still(&container, is_avif_sequence(&read_head(path)?), &video);
    if image {
        video.iter_mut().for_each(video::make_still);
    }
    let duration = if image {
        None
    } else {
        playing_time(&timelines, &video, &audio).or_else(|| longest(&input, &audio))
    };
    let joined = timelines.are_joined();
    Ok(Facts { container, duration, image, joined, video, audio, ..Facts::empty(hash.clone(), "") })
}

/// Returns the usable streams of each kind, those that the file marks as default first. A cover
/// picture in a sound file is not usable.
fn usable_streams(input: &Input) -> Vec<(usize, ffmpeg::media::Type)> {
    let of = |kind: ffmpeg::media::Type| {
        let mut streams: Vec<ffmpeg::Stream<'_>> = input
            .streams()
            .filter(|stream| stream.parameters().medium() == kind)
            // If libav does not even know the codec, the header is damaged.
            .filter(|stream| stream.parameters().id() != ffmpeg::codec::Id::None)
            .filter(|stream| !stream.disposition().contains(Disposition::ATTACHED_PIC))
            .collect();
        streams.sort_by_key(|stream| !stream.disposition().contains(Disposition::DEFAULT));
        streams.into_iter().map(move |stream| (stream.index(), kind)).take(MAX_STREAMS)
    };
    of(ffmpeg::media::Type::Video).chain(of(ffmpeg::media::Type::Audio)).collect()
}

/// Returns whether a file says that it is a sequence of AV1 pictures (AV1 Image File Format 1.1,
/// "Brands"). libav invents a clock for it.
fn is_avif_sequence(head: &[u8]) -> bool {
    head.get(4..12) == Some(b"ftypavis".as_slice())
}

/// Returns whether a file says that it is a picture in HEVC (ISO/IEC 23008-12, "Brands"), as
/// telephones store them. libav takes it for a video without frames.
fn is_heic(head: &[u8]) -> bool {
    const BRANDS: [&[u8]; 5] = [b"heic", b"heix", b"heim", b"heis", b"hevc"];
    head.get(4..8) == Some(b"ftyp".as_slice())
        && head.get(8..12).is_some_and(|brand| BRANDS.contains(&brand))
}

/// Returns whether a source is a still: one frame, in a container without a clock or named as a
/// picture's.
fn is_still(container: &str, avif: bool, video: &[VideoFacts]) -> bool {
    let picture =
        container.ends_with("_pipe") || ["gif", "apng", "webp", "image2"].contains(&container);
    let [only] = video else { return false };
    let coded_as_picture = only.codec == "av1" && (avif || only.rate.is_none());
    (picture || coded_as_picture) && only.frames.is_none_or(|frames| frames <= 1)
}

/// Returns the end of the picture or the sound that is used, whichever is later. Other streams,
/// such as subtitles or a second sound, may last longer.
fn playing_time(
    timelines: &PacketTimelines,
    video: &[VideoFacts],
    audio: &[AudioFacts],
) -> Option<Ratio> {
    let picture = video.first().and_then(|stream| timelines.of(stream.index as usize)?.end());
    let sound = audio.first().and_then(|stream| Some(stream.start.plus(stream.duration?)));
    picture.max(sound).filter(|end| *end > Ratio::ZERO)
}

/// Returns the container's own length, for files too long to be read whole.
fn longest(input: &Input, audio: &[AudioFacts]) -> Option<Ratio> {
    let of_container =
        Ratio::new(input.duration(), 1_000_000).ok().filter(|duration| *duration > Ratio::ZERO);
    of_container.or_else(|| audio.iter().filter_map(|stream| stream.duration).max())
}

#[cfg(test)]
mod tests;
