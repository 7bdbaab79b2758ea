//! The time for which a fetched URL may be used again: `Cache-Control` and `Age` of RFC 9111,
//! `stale-while-revalidate` of RFC 5861.
//!
//! Without such headers the server is asked each time, with the validator that it gave. `Expires`
//! is not read: it needs synchronised clocks, and servers of media that send it send `max-age` too.

use std::time::Duration;

use backing::cache::Lifetime;
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap, HeaderName, VARY};

/// Returns how long a response with these headers may be used without asking the server again. The
/// time is zero if the response must not be shared.
pub(super) fn lifetime(headers: &HeaderMap) -> Lifetime {
    let mut directives = Directives::default();
    values(headers, &CACHE_CONTROL).for_each(|directive| directives.read(directive));
    // A response that depends on the client, or on unnamed headers, is fetched each time.
    if directives.forbidden || values(headers, &VARY).any(|name| name == "*") {
        return Lifetime::fresh(Duration::ZERO);
    }
    let seconds = directives.shared.or(directives.fresh).unwrap_or_default();
    let age = values(headers, &AGE).find_map(|age| age.parse().ok()).unwrap_or_default();
    let stale = if seconds > 0 { directives.stale.unwrap_or_default() } else { 0 };
    Lifetime {
        fresh: Duration::from_secs(seconds.saturating_sub(age)),
        stale: Duration::from_secs(stale),
    }
}

#[derive(Default)]
struct Directives {
    forbidden: bool,
    shared: Option<u64>,
    fresh: Option<u64>,
    stale: Option<u64>,
}

impl Directives {
    fn read(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = || value.trim().trim_matches('"').parse().ok();
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" | "private" => self.forbidden = true,
            "s-maxage" => self.shared = seconds(),
            "max-age" => self.fresh = seconds(),
            "stale-while-revalidate" => self.stale = seconds(),
            "must-revalidate" | "proxy-revalidate" => self.stale = Some(0),
            _ => {}
        }
    }
}

/// Splits the values of all headers with this name at the commas.
fn values<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_how_long_its_answer_holds_and_nothing_is_assumed() {
        type Case = (&'static [(&'static str, &'static str)], (u64, u64));
        let cases: [Case; 12] = [
            (&[], (0, 0)),
            (&[("cache-control", "max-age=60")], (60, 0)),
            (&[("cache-control", "public, Max-Age=\"60\", stale-while-revalidate=30")], (60, 30)),
            (&[("cache-control", "max-age=60"), ("age", "50")], (10, 0)),
            (&[("cache-control", "max-age=60"), ("age", "70")], (0, 0)),
            (&[("cache-control", "max-age=60, s-maxage=5")], (5, 0)),
            (&[("cache-control", "max-age=60, private")], (0, 0)),
            (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], (0, 0)),
            (&[("cache-control", "no-cache, max-age=60")], (0, 0)),
            (&[("cache-control", "max-age=soon, stale-while-revalidate=9")], (0, 0)),
            (&[("cache-control", "max-age=60"), ("vary", "accept, *")], (0, 0)),
            (&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], (0, 0)),
        ];
        for (headers, (fresh, stale)) in cases {
            let map = headers
                .iter()
                .map(|(name, value)| {
                    (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
                })
                .collect();
            let wanted =
                Lifetime { fresh: Duration::from_secs(fresh), stale: Duration::from_secs(stale) };
            assert_eq!(lifetime(&map), wanted, "{headers:?}");
        }
    }
}
