//! The errors of the engine, by what can be done about them.
//!
//! The set is closed because the next step depends on it: the caller mends bad input, a full disk
//! may have room tomorrow, and an internal error is the engine's to mend. Each error carries one
//! sentence that says what failed and for which input, so it can be shown as it is. The same type
//! crosses the pipe between the media process and its parent, so it is plain data without a libav
//! error.

use ffmpeg_next as ffmpeg;
use serde::{Deserialize, Serialize};

/// An error of the engine. Each variant holds its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum MediaError {
    /// The file or the text is damaged, empty, or not what it claims to be.
    #[error("{0}")]
    BadInput(String),
    /// The input is sound, but this engine does not read or write it.
    #[error("{0}")]
    Unsupported(String),
    /// The disk is full, or the file grew beyond its limit.
    #[error("{0}")]
    OutOfSpace(String),
    /// An allocation failed. In the sandbox, its memory limit was reached.
    #[error("{0}")]
    OutOfMemory(String),
    /// The engine or the machine failed.
    #[error("{0}")]
    Internal(String),
}

/// The result of work on media.
pub type Result<T, E = MediaError> = std::result::Result<T, E>;

impl MediaError {
    /// Returns the error with its sentence changed.
    #[must_use]
    pub(crate) fn reworded(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::BadInput(sentence) => Self::BadInput(change(sentence)),
            Self::Unsupported(sentence) => Self::Unsupported(change(sentence)),
            Self::OutOfSpace(sentence) => Self::OutOfSpace(change(sentence)),
            Self::OutOfMemory(sentence) => Self::OutOfMemory(change(sentence)),
            Self::Internal(sentence) => Self::Internal(change(sentence)),
        }
    }

    /// Classifies an error of libav. `doing` completes the sentence "… failed", e.g. `opening
    /// clip.mp4`.
    ///
    /// Invalid data and an early end are bad input. A missing demuxer, decoder or feature is
    /// unsupported. `ENOSPC`, `EDQUOT`, `EFBIG` are out of space, and `ENOMEM` is out of memory.
    /// All others are internal.
    #[must_use]
    pub fn from_libav(doing: impl std::fmt::Display, error: ffmpeg::Error) -> Self {
        use ffmpeg::Error as E;
        let sentence = format!("{doing} failed: {}", libav_text(error));
        match error {
            E::InvalidData | E::Eof | E::Unknown => Self::BadInput(sentence),
            E::DemuxerNotFound
            | E::DecoderNotFound
            | E::ProtocolNotFound
            | E::PatchWelcome
            | E::Experimental => Self::Unsupported(sentence),
            E::Other { errno } => Self::from_errno(errno, sentence),
            _ => Self::Internal(sentence),
        }
    }

    /// Classifies an error of the operating system. `doing` completes the sentence "… failed".
    #[must_use]
    pub fn from_io(doing: impl std::fmt::Display, error: &std::io::Error) -> Self {
        let sentence = format!("{doing} failed: {error}");
        match (error.kind(), error.raw_os_error()) {
            (std::io::ErrorKind::OutOfMemory, _) => Self::OutOfMemory(sentence),
            (_, Some(errno)) => Self::from_errno(errno, sentence),
            _ => Self::Internal(sentence),
        }
    }

    fn from_errno(errno: i32, sentence: String) -> Self {
        match errno {
            libc::ENOSPC | libc::EDQUOT | libc::EFBIG => Self::OutOfSpace(sentence),
            libc::ENOMEM => Self::OutOfMemory(sentence),
            _ => Self::Internal(sentence),
        }
    }
}

/// Returns libav's text for an error. Its binding has no texts until they are registered.
pub(crate) fn libav_text(error: ffmpeg::Error) -> String {
    static TEXTS: std::sync::Once = std::sync::Once::new();
    TEXTS.call_once(ffmpeg::util::error::register_all);
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_full_memory_are_no_internal_errors() {
        let ending =
            |errno| MediaError::from_libav("writing out.mp4", ffmpeg::Error::Other { errno });
        assert!(matches!(ending(libc::ENOSPC), MediaError::OutOfSpace(_)));
        assert!(matches!(ending(libc::EFBIG), MediaError::OutOfSpace(_)));
        assert!(matches!(ending(libc::ENOMEM), MediaError::OutOfMemory(_)));
        assert!(matches!(ending(libc::EIO), MediaError::Internal(_)));
    }

    #[test]
    fn damaged_data_is_bad_input_and_the_sentence_names_the_input() {
        let error = MediaError::from_libav("opening clip.mp4", ffmpeg::Error::InvalidData);
        assert!(matches!(error, MediaError::BadInput(_)));
        assert!(error.to_string().starts_with("opening clip.mp4 failed: "));
    }
}
