//! Recognises subtitle files: WebVTT, SubRip, and ASS. The composition reads their cues.

use crate::{MediaError, Result};
use std::io::Read;
use std::path::Path;

/// The largest file that is read as subtitles: a day of them.
const MAX_BYTES: u64 = 8 << 20;

/// Returns whether a file begins as subtitles do.
pub(super) fn are_subtitles(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with("WEBVTT")
        || text.starts_with("[Script Info]")
        || text.lines().take(8).any(is_timing)
}

/// Recognises a line such as `00:00:01,000 --> 00:00:02,000`.
fn is_timing(line: &str) -> bool {
    let is_time = |part: &str| {
        let part = part.trim();
        part.starts_with(|c: char| c.is_ascii_digit()) && part.contains(':')
    };
    line.split_once("-->").is_some_and(|(from, to)| is_time(from) && is_time(to))
}

/// Reads the file's text.
///
/// # Errors
/// Bad input if it is too large or not UTF-8.
pub(super) fn read(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| {
        MediaError::from_io(format_args!("reading {}", path.display()), &error)
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(MediaError::BadInput(format!(
            "the subtitles {} are larger than {MAX_BYTES} bytes",
            path.display()
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        MediaError::BadInput(format!(
            "the subtitles {} are not in UTF-8: save them so",
            path.display()
        ))
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
