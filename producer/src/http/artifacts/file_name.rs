//! `Content-Disposition` (RFC 6266): the name under which a file is saved.

use std::fmt::Write;

use common::{id::Digest, limits::MAX_NAME_BYTES};

use super::sniff;
use crate::http::{problem::Problem, query::refused};

/// A caller's name for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Reads `?filename=`. A path is refused: browsers drop its folders without a word.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let plain = !text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'));
        if plain && text.len() <= MAX_NAME_BYTES && !text.chars().all(|c| c == '.') {
            return Ok(Self(text.to_owned()));
        }
        let expected = format!("a file's name of at most {MAX_NAME_BYTES} bytes, without folders");
        Err(refused("filename", text.escape_default(), &expected))
    }

    /// The header of a file to save, with the extension of its type. A name with the extension of
    /// another type is refused.
    pub fn attachment(self, media_type: &str) -> Result<String, Problem> {
        let Self(mut name) = self;
        let named = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let named = named.map(|named| if named == "jpeg" { "jpg".to_owned() } else { named });
        match (named, sniff::extension(media_type)) {
            (Some(named), Some(held)) if named == held => {}
            (Some(named), Some(held)) if sniff::is_extension(&named) => {
                return Err(refused(
                    "filename",
                    name,
                    &format!("the name of a file of type {held}"),
                ));
            }
            (_, Some(held)) => {
                name.push('.');
                name.push_str(held);
            }
            (_, None) => {}
        }
        Ok(disposition("attachment", &name))
    }
}

/// The header of a file to show. It is saved under the start of its hash.
pub fn inline(digest: &Digest, media_type: &str) -> String {
    let hash = digest.to_string();
    let start = hash.get(..12).unwrap_or(&hash);
    match sniff::extension(media_type) {
        Some(extension) => disposition("inline", &format!("{start}.{extension}")),
        None => disposition("inline", start),
    }
}

/// The name as ASCII, and in full for what is not.
fn disposition(kind: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ';
    let ascii: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut header = format!("{kind}; filename=\"{ascii}\"");
    if ascii != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    header.push(char::from(byte));
                }
                byte => {
                    let _ = write!(header, "%{byte:02X}");
                }
            }
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_the_extension_of_its_type_and_keeps_its_letters() {
        let attached =
            |name: &str, media_type: &str| FileName::parse(name).ok()?.attachment(media_type).ok();
        let cases = [
            ("a b.mp4", "attachment; filename=\"a b.mp4\""),
            ("trailer", "attachment; filename=\"trailer.mp4\""),
            ("cut.v2", "attachment; filename=\"cut.v2.mp4\""),
            ("A.MP4", "attachment; filename=\"A.MP4\""),
            ("\"é", "attachment; filename=\"__.mp4\"; filename*=UTF-8''%22%C3%A9.mp4"),
        ];
        for (name, header) in cases {
            assert_eq!(attached(name, "video/mp4").as_deref(), Some(header), "{name}");
        }
        assert_eq!(
            attached("a.jpeg", "image/jpeg").as_deref(),
            Some("attachment; filename=\"a.jpeg\"")
        );
        assert_eq!(
            attached("a.bin", sniff::UNKNOWN).as_deref(),
            Some("attachment; filename=\"a.bin\"")
        );
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for bad in ["../x.mp4", "a\\b", "..", "a\r\nb: c", "x.avi", long.as_str()] {
            assert_eq!(attached(bad, "video/mp4"), None, "{bad:?}");
        }
    }
}
