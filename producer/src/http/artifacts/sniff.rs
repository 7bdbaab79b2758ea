//! Media types by a file's first bytes: those that our kinds read and write, by the signatures of
//! the WHATWG's MIME Sniffing Standard. A type that a browser would run is never reported; an
//! unknown file is plain bytes.

/// The most bytes that a signature here needs.
pub const SIGNATURE_BYTES: u64 = 64;
/// The type of an unknown file.
pub const UNKNOWN: &str = "application/octet-stream";

/// Offset, signature and media type.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"OggS\0", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"WEBVTT", "text/vtt"),
    (0, b"#EXTM3U", "application/vnd.apple.mpegurl"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO", "font/otf"),
    (0, b"\0\x01\0\0\0", "font/ttf"),
];

/// Returns the media type of a file that begins with these bytes.
pub fn media_type(head: &[u8]) -> &'static str {
    let known = SIGNATURES
        .iter()
        .find(|(at, signature, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(signature)));
    match known {
        Some((_, _, media_type)) => media_type,
        None if head.get(4..8) == Some(b"ftyp") => of_brand(head.get(8..12).unwrap_or_default()),
        None if head.starts_with(b"RIFF") => of_riff(head.get(8..12).unwrap_or_default()),
        None => UNKNOWN,
    }
}

/// Media types with the extension of their files' names.
const EXTENSIONS: &[(&str, &str)] = &[
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/avif", "avif"),
    ("image/heic", "heic"),
    ("video/mp4", "mp4"),
    ("video/webm", "webm"),
    ("video/quicktime", "mov"),
    ("video/x-msvideo", "avi"),
    ("audio/mp4", "m4a"),
    ("audio/mpeg", "mp3"),
    ("audio/aac", "aac"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
    ("audio/wav", "wav"),
    ("application/pdf", "pdf"),
    ("application/vnd.apple.mpegurl", "m3u8"),
    ("text/vtt", "vtt"),
    ("font/woff2", "woff2"),
    ("font/otf", "otf"),
    ("font/ttf", "ttf"),
];

/// Returns the extension of files of a media type; none of an unknown one.
pub fn extension(media_type: &str) -> Option<&'static str> {
    EXTENSIONS.iter().find(|(of, _)| *of == media_type).map(|(_, extension)| *extension)
}

/// Returns whether this is the extension of a media type that is known here.
pub fn is_extension(text: &str) -> bool {
    EXTENSIONS.iter().any(|(_, extension)| *extension == text)
}

/// ISO base media files name their purpose by their major brand.
fn of_brand(brand: &[u8]) -> &'static str {
    match brand {
        b"M4A " | b"M4B " => "audio/mp4",
        b"qt  " => "video/quicktime",
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"mif1" => "image/heic",
        _ => "video/mp4",
    }
}

fn of_riff(form: &[u8]) -> &'static str {
    match form {
        b"WAVE" => "audio/wav",
        b"WEBP" => "image/webp",
        b"AVI " => "video/x-msvideo",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_files_have_their_type_and_files_that_a_browser_would_run_are_bytes() {
        let cases: [(&[u8], &str); 10] = [
            (b"\0\0\0\x20ftypisom\0\0", "video/mp4"),
            (b"\0\0\0\x20ftypM4A \0\0", "audio/mp4"),
            (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            (b"\x89PNG\r\n\x1a\n....", "image/png"),
            (b"WEBVTT\n", "text/vtt"),
            (b"<html><script>", UNKNOWN),
            (b"<svg xmlns=", UNKNOWN),
            (b"", UNKNOWN),
            (b"RIFF", UNKNOWN),
        ];
        for (head, media_type) in cases {
            assert_eq!(super::media_type(head), media_type, "{head:?}");
        }
    }

    #[test]
    fn every_known_media_type_has_an_extension() {
        for (_, _, media_type) in SIGNATURES {
            assert!(extension(media_type).is_some(), "{media_type}");
        }
        assert_eq!((extension("video/mp4"), extension(UNKNOWN)), (Some("mp4"), None));
    }
}
