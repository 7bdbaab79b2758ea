//! `Range` (RFC 9110, 14.2): one range of bytes. Several at once are answered with the whole, which
//! the RFC allows.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The bytes that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedRange {
    All,
    /// `[start, end)`, not empty.
    Part(Range<u64>),
    /// The range lies outside the file.
    Outside,
}

/// Reads the requested range of a file of `size` bytes with the strong tag `tag`. An unreadable
/// `Range` counts as none.
pub fn requested(headers: &HeaderMap, tag: &str, size: u64) -> RequestedRange {
    let text =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let is_of_another = text(header::IF_RANGE).is_some_and(|known| known.trim() != tag);
    match text(header::RANGE) {
        Some(range) if !is_of_another => parse(range, size),
        _ => RequestedRange::All,
    }
}

fn parse(text: &str, size: u64) -> RequestedRange {
    let Some((first, last)) =
        text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return RequestedRange::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        // A suffix range: the last n bytes.
        ("", last) => match number(last) {
            Some(count) => size.saturating_sub(count)..size,
            None => return RequestedRange::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return RequestedRange::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return RequestedRange::All,
        },
    };
    if range.start < range.end { RequestedRange::Part(range) } else { RequestedRange::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_as_the_rfc_says() {
        let cases = [
            ("bytes=0-0", RequestedRange::Part(0..1)),
            ("bytes=10-19", RequestedRange::Part(10..20)),
            ("bytes=90-", RequestedRange::Part(90..100)),
            ("bytes=-10", RequestedRange::Part(90..100)),
            ("bytes=-1000", RequestedRange::Part(0..100)),
            ("bytes=90-5000", RequestedRange::Part(90..100)),
            ("bytes=0-18446744073709551615", RequestedRange::Part(0..100)),
            ("bytes=100-", RequestedRange::Outside),
            ("bytes=100-200", RequestedRange::Outside),
            ("bytes=-0", RequestedRange::Outside),
            ("bytes=0-1,5-6", RequestedRange::All),
            ("bytes=9-1", RequestedRange::All),
            ("bytes=x-", RequestedRange::All),
            ("bytes=-", RequestedRange::All),
            ("lines=0-1", RequestedRange::All),
        ];
        for (text, range) in cases {
            assert_eq!(parse(text, 100), range, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), RequestedRange::Outside);
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        let with = |tag: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, "bytes=0-1".parse().expect("a header"));
            headers.insert(header::IF_RANGE, tag.parse().expect("a header"));
            requested(&headers, "\"a\"", 100)
        };
        assert_eq!(with("\"a\""), RequestedRange::Part(0..2));
        assert_eq!(with("\"b\""), RequestedRange::All);
    }
}
