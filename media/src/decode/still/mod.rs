//! Decodes still pictures: the first image of a file, whatever follows it.
//!
//! Telephones write more behind a picture: a gain map, a second picture, a film. libav's demuxers
//! take a file with several images for a film, or do not know it at all. So a still picture's file
//! goes to its decoder as a whole, and the decoder ends with the first image.

pub(crate) mod avif;

use super::decoders::listed_decoder;
use super::exif::{exif_orientation, is_tiff};
use super::mirror::unmirrored;
use super::rotation::{Orientation, frame_orientation};
use super::shown_frame::ShownFrame;
use crate::error::{MediaError, Result, libav_text};
use ffmpeg_next::{Codec, Packet, codec, decoder, frame};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The most pixels of a still picture: those of telephones with 200 megapixels. A frame of 8 bytes
/// a pixel is within the memory of a media process.
pub(crate) const MAX_STILL_PIXELS: u64 = 205_000_000;
/// The largest file that is read as a still picture, in bytes.
const MAX_BYTES: u64 = 512 << 20;
/// Bytes that are enough to recognise a format.
const HEAD: u64 = 64;

/// A decoded still picture.
pub(crate) struct StillPicture {
    format: StillFormat,
    frame: frame::Video,
    /// Degrees by which it is turned clockwise for showing.
    rotation: u16,
}

/// The formats of still pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StillFormat {
    Jpeg,
    Png,
    Webp,
    Tiff,
    Bmp,
    JpegXl,
    Avif,
}

impl StillFormat {
    /// Recognises a format by a file's first bytes.
    fn of(head: &[u8]) -> Option<Self> {
        const CONTAINED_JXL: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
        let starts = |with: &[u8]| head.starts_with(with);
        if starts(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if starts(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if starts(b"RIFF") && head.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else if is_tiff(head) {
            Some(Self::Tiff)
        } else if is_bmp(head) {
            Some(Self::Bmp)
        } else if starts(b"\xff\x0a") || starts(CONTAINED_JXL) {
            Some(Self::JpegXl)
        } else if avif::is_avif(head) {
            Some(Self::Avif)
        } else {
            None
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::JpegXl => "jpegxl",
            Self::Avif => "avif",
        }
    }

    fn codec(self) -> codec::Id {
        match self {
            Self::Jpeg => codec::Id::MJPEG,
            Self::Png => codec::Id::PNG,
            Self::Webp => codec::Id::WEBP,
            Self::Tiff => codec::Id::TIFF,
            Self::Bmp => codec::Id::BMP,
            Self::JpegXl => codec::Id::JPEGXL,
            Self::Avif => codec::Id::AV1,
        }
    }
}

impl StillPicture {
    /// Opens and decodes a file if it is a still picture; `None` if it is something else, such as
    /// an animated PNG or WebP.
    ///
    /// # Errors
    /// Bad input if it is damaged or too large; unsupported if libav was built without its decoder.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        let failed =
            |error| MediaError::from_io(format_args!("reading {}", path.display()), &error);
        let mut file = File::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head).map_err(failed)?;
        let Some(format) = StillFormat::of(&head) else { return Ok(None) };
        if is_animated(format, &head, &mut file).map_err(failed)? {
            return Ok(None);
        }
        let bytes = read_whole(&mut file, path)?;
        let (frame, orientation) = match format {
            StillFormat::Avif => avif::decode(bytes.data().unwrap_or_default(), path)?,
            _ => (decode(format.codec(), &bytes, path)?, None),
        };
        drop(bytes);
        let orientation = orientation
            .or_else(|| exif_orientation(path))
            .or_else(|| frame_orientation(&frame))
            .unwrap_or(Orientation::UPRIGHT);
        let (frame, rotation) = unmirrored(frame, orientation);
        Ok(Some(Self { format, frame, rotation }))
    }

    /// The format's name in facts.
    pub(crate) fn format(&self) -> &'static str {
        self.format.name()
    }

    /// libav's name of the codec.
    pub(crate) fn codec(&self) -> &'static str {
        self.format.codec().name()
    }

    /// Returns the picture, which is the same at all times.
    pub(crate) fn frame(&self) -> ShownFrame<'_> {
        ShownFrame { frame: &self.frame, next: None, ticks: 0, rotation: self.rotation }
    }
}

/// Returns whether a file begins as BMP does: with its length, and a header of a known size.
fn is_bmp(head: &[u8]) -> bool {
    const HEADER_SIZES: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];
    head.starts_with(b"BM")
        && head.get(6..10) == Some(&[0; 4])
        && head.get(14).is_some_and(|size| HEADER_SIZES.contains(size))
        && head.get(15..18) == Some(&[0; 3])
}

fn is_animated(format: StillFormat, head: &[u8], file: &mut File) -> std::io::Result<bool> {
    match format {
        StillFormat::Webp => Ok(head.get(12..16) == Some(b"VP8X") && head[20] & 0x02 != 0),
        StillFormat::Png => is_animated_png(file),
        _ => Ok(false),
    }
}

/// Returns whether a PNG has its animation's chunk, which comes before the first image.
fn is_animated_png(file: &mut File) -> std::io::Result<bool> {
    let mut at = 8_u64;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let mut head = Vec::new();
        file.take(8).read_to_end(&mut head)?;
        let [a, b, c, d, kind @ ..] = head.as_slice() else { return Ok(false) };
        match kind {
            b"acTL" => return Ok(true),
            [_, _, _, _] if kind != b"IDAT" => {}
            _ => return Ok(false),
        }
        // The length does not count itself, the kind and the checksum.
        at += u64::from(u32::from_be_bytes([*a, *b, *c, *d])) + 12;
    }
}

/// Reads a file into a packet, which has the padding that decoders need.
fn read_whole(file: &mut File, path: &Path) -> Result<Packet> {
    let failed = |error| MediaError::from_io(format_args!("reading {}", path.display()), &error);
    let length = file.metadata().map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(MediaError::BadInput(format!(
            "{} has {length} bytes: a still picture may have up to {MAX_BYTES}",
            path.display()
        )));
    }
    let mut packet = Packet::new(usize::try_from(length).unwrap_or(usize::MAX));
    let bytes = packet.data_mut().ok_or_else(|| {
        MediaError::OutOfMemory(format!("{} with {length} bytes cannot be held", path.display()))
    })?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    file.read_exact(bytes).map_err(failed)?;
    Ok(packet)
}

/// Decodes one image.
///
/// # Errors
/// Bad input if it is damaged or too large; unsupported if libav was built without the decoder.
fn decode(id: codec::Id, image: &Packet, path: &Path) -> Result<frame::Video> {
    let found = listed_decoder(path, id)?;
    let path = path.display();
    let mut decoder = open_decoder(found)
        .map_err(|error| MediaError::from_libav(format_args!("opening {path}"), error))?;
    let mut frame = frame::Video::empty();
    decoder
        .send_packet(image)
        .and_then(|()| decoder.send_eof())
        .and_then(|()| decoder.receive_frame(&mut frame))
        .map_err(|error| match error {
            ffmpeg_next::Error::Other { errno: libc::ENOMEM } => MediaError::OutOfMemory(format!(
                "{path} cannot be decoded: it needs more memory than a job may use; make it smaller"
            )),
            error => MediaError::BadInput(format!(
                "{path} cannot be decoded: {}; it is damaged, or larger than {MAX_STILL_PIXELS} \
                 pixels",
                libav_text(error)
            )),
        })?;
    Ok(frame)
}

/// Opens a decoder with one thread, which gives the same bits each time.
fn open_decoder(found: Codec) -> Result<decoder::Video, ffmpeg_next::Error> {
    let mut context = codec::Context::new_with_codec(found);
    context.set_threading(codec::threading::Config {
        kind: codec::threading::Type::None,
        count: 1,
        ..Default::default()
    });
    let mut options = ffmpeg_next::Dictionary::new();
    options.set("max_pixels", &MAX_STILL_PIXELS.to_string());
    context.decoder().open_as_with(found, options)?.video()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_recognised_by_their_first_bytes() {
        let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
        for (head, format) in [
            (&b"\xff\xd8\xff\xe1"[..], StillFormat::Jpeg),
            (b"RIFF\0\0\0\0WEBPVP8 ", StillFormat::Webp),
            (b"MM\0*\0\0\0\x08", StillFormat::Tiff),
            (bmp, StillFormat::Bmp),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1avif", StillFormat::Avif),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", StillFormat::Avif),
        ] {
            assert_eq!(StillFormat::of(head), Some(format));
        }
        for film in [&b"\0\0\0\x1cftypavis\0\0\0\0avif"[..], b"BM movies of all kinds", b"GIF89a"] {
            assert_eq!(StillFormat::of(film), None);
        }
    }
}
