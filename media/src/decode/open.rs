//! Opens files from outside.
//!
//! Three lists limit libav to the input that the engine means to read: the single protocol `file`,
//! the containers, and the codecs. Without them, a file named `.mp4` that holds a playlist would
//! open any address in the playlist.

use super::decoders::DECODERS;
use crate::error::{MediaError, Result, libav_text};
use crate::ffi;
use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::Input;
use std::path::Path;

/// Containers that may be read, as libav names its demuxers.
pub(crate) const DEMUXERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpegts,mpeg,\
    ogg,nut,gif,apng,png_pipe,jpeg_pipe,webp_pipe,gif_pipe,bmp_pipe,tiff_pipe,jpegxl_pipe,\
    mp3,wav,w64,flac,aac,ac3,eac3,aiff,au,caf,ivf,mxf,yuv4mpegpipe";

/// Opens a file and probes its streams, under the three lists.
///
/// # Errors
/// Bad input if it is none of the containers, is damaged, or refers to other files.
pub(crate) fn open_input(path: &Path) -> Result<Input> {
    open_by(path, |options| ffmpeg::format::input_with_dictionary(path, options))
}

/// Opens a file that the engine made, under the same lists. Its header says enough of its streams:
/// probing decodes several frames, which for the hundred segments of a video takes longer than
/// joining them.
///
/// # Errors
/// As [`open_input`].
pub(crate) fn open_own(path: &Path) -> Result<Input> {
    open_by(path, |options| ffi::open_by_header(path, options))
}

fn open_by(
    path: &Path,
    open: impl FnOnce(ffmpeg::Dictionary<'_>) -> Result<Input, ffmpeg::Error>,
) -> Result<Input> {
    let mut options = ffmpeg::Dictionary::new();
    options.set("protocol_whitelist", "file");
    options.set("format_whitelist", DEMUXERS);
    options.set("codec_whitelist", DECODERS);
    // The file is opened here first, so that every later failure is the fault of its content.
    std::fs::File::open(path)
        .map_err(|error| MediaError::from_io(format_args!("opening {}", path.display()), &error))?;
    open(options).map_err(|error| open_error(path, error))
}

/// Explains why libav did not open an existing file. libav says "invalid argument" for a container
/// or protocol that is on no list, and "input/output error" and others for damage.
fn open_error(path: &Path, error: ffmpeg::Error) -> MediaError {
    let path = path.display();
    match error {
        ffmpeg::Error::Other { errno: libc::EINVAL } => MediaError::BadInput(format!(
            "{path} is in no format that may be read: use a common video, sound or image file"
        )),
        ffmpeg::Error::Other { errno: libc::ENOMEM | libc::EMFILE | libc::ENFILE } => {
            MediaError::from_libav(format_args!("opening {path}"), error)
        }
        ffmpeg::Error::InvalidData | ffmpeg::Error::Other { .. } => MediaError::BadInput(format!(
            "{path} cannot be read: {}; it is damaged, or no video, sound or image at all",
            libav_text(error)
        )),
        error => MediaError::from_libav(format_args!("opening {path}"), error),
    }
}
