//! `Range` (RFC 9110, 14.2): one range of bytes. Several at once are answered with the whole, which the RFC allows.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The bytes that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    All,
    /// `[start, end)`, not empty.
    Part(Range<u64>),
    /// The range lies outside the file.
    Outside,
}

/// Reads the wanted range of a file of `size` bytes with the strong tag `tag`. An unreadable
/// `Range` counts as none.
pub fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let of_another = text(header::IF_RANGE).is_some_and(|named| named.trim() != tag);
    match text(header::RANGE) {
        Some(range) if !of_another => parse(range, size),
        _ => Wanted::All,
    }
}

fn parse(text: &str, size: u64) -> Wanted {
    let Some((first, last)) =
        text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        // A suffix range: the last n bytes.
        ("", last) => match number(last) {
            Some(count) => size.saturating_sub(count)..size,
            None => return Wanted::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Wanted::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Wanted::All,
        },
    };
    if range.start < range.end { Wanted::Part(range) } else { Wanted::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_as_the_rfc_says() {
        let cases = [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=-10", Wanted::Part(90..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=90-5000", Wanted::Part(90..100)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Outside),
            ("bytes=100-200", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=9-1", Wanted::All),
            ("bytes=x-", Wanted::All),
            ("bytes=-", Wanted::All),
            ("lines=0-1", Wanted::All),
        ];
        for (text, range) in cases {
            assert_eq!(parse(text, 100), range, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Wanted::Outside);
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let with = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, "bytes=0-1".parse().expect("a header"));
            headers.insert(header::IF_RANGE, tag.parse().expect("a header"));
            wanted(&headers, "\"a\"", 100)
        };
        assert_eq!(with("\"a\""), Wanted::Part(0..2));
        assert_eq!(with("\"b\""), Wanted::All);
    }
}
