//! Fetches sources. Only this module connects to addresses that callers name, and only to those
//! that [`Reach`] allows.
//!
//! A fetched source becomes an artifact under the hash of its content. The cache remembers the
//! artifact of a path or URL with a validator (size and time of a file, `ETag` or date of a URL),
//! so that an unchanged source is not read again. While a server's headers allow it, a URL is not
//! even requested. Concurrent fetches of one URL share one request.
//!
//! `fetcher` sends a source to `file` or `web`; both keep their results in `known`.

mod address;
mod fetcher;
mod file;
mod freshness;
mod known;
mod reach;
#[cfg(test)]
mod tests;
mod web;

pub use fetcher::Fetcher;
pub use known::Fetched;
pub(crate) use known::unavailable;
pub use reach::Reach;
pub(crate) use reach::shown;
