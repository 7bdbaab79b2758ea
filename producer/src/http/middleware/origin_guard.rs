//! Keeps web pages of other origins out of a server that asks for no key.
//!
//! A browser on this machine reaches loopback addresses on behalf of any page. `Host` must be a
//! loopback name, or a page could come in through a DNS name that points here (rebinding).
//! `Origin`, which browsers send with every request that could change something, must be our own.
//! `Sec-Fetch-Site`, which they also send with a picture, a link or a form's GET, must not say that
//! another site, or another origin of this one, is behind the request. Besides, bodies must be
//! declared as JSON (see `http::body`), which no plain form can do.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::Request,
    http::{HeaderName, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::{
    caller::host,
    problem::{Problem, ProblemKind},
};

/// The relation of a page to the server that it calls (Fetch Metadata, W3C).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Passes or refuses the request.
pub async fn layer(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match admit(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(parts: &Parts) -> Result<(), Problem> {
    let host =
        host(parts).ok_or_else(|| Problem::new(ProblemKind::InvalidHeader, "`Host` is missing"))?;
    if !is_loopback(host) {
        let detail =
            format!("`Host: {host}` is not a loopback name: call localhost, 127.0.0.1 or [::1]");
        return Err(Problem::new(ProblemKind::ForeignOrigin, detail));
    }
    let own = |scheme: &str, origin: &str| origin.strip_prefix(scheme) == Some(host);
    if let Some(origin) = parts.headers.get(header::ORIGIN)
        && !origin.to_str().is_ok_and(|text| own("http://", text) || own("https://", text))
    {
        return Err(Problem::new(
            ProblemKind::ForeignOrigin,
            "`Origin` is not this server's own: pages of other origins may not call it",
        ));
    }
    // `none` is a person's own request: an address typed in, or a bookmark.
    let sites = parts.headers.get_all(SEC_FETCH_SITE);
    if sites.iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(Problem::new(
            ProblemKind::ForeignOrigin,
            "`Sec-Fetch-Site` is neither `same-origin` nor `none`: pages of other origins may not \
             call this server; open its address by hand",
        ));
    }
    Ok(())
}

/// Returns whether a `Host` (with or without a port) is a loopback name that DNS cannot change.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            return rest
                .split_once(']')
                .is_some_and(|(name, port)| loopback_ip(name) && is_port(port));
        }
        None => host.split_once(':'),
    };
    let (name, port) = name.map_or((host, ""), |(name, port)| (name, port));
    (name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()))
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn loopback_ip(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/v1/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        admit(&parts).is_ok()
    }

    #[test]
    fn only_loopback_names_are_answered() {
        for good in
            ["localhost", "LocalHost:8080", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:8080"]
        {
            assert!(admitted(&[("host", good)]), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "[::1]x",
            "",
            "localhost:x",
        ] {
            assert!(!admitted(&[("host", bad)]), "{bad}");
        }
        assert!(!admitted(&[]));
    }

    #[test]
    fn only_our_own_origin_may_call() {
        let with = |origin| admitted(&[("host", "localhost:8080"), ("origin", origin)]);
        assert!(with("http://localhost:8080") && with("https://localhost:8080"));
        for bad in [
            "null",
            "http://localhost:3000",
            "http://evil.example",
            "http://localhost",
            "localhost:8080",
            "",
        ] {
            assert!(!with(bad), "{bad}");
        }
    }

    #[test]
    fn a_page_of_another_site_may_not_even_read() {
        let with = |site| admitted(&[("host", "localhost:8080"), ("sec-fetch-site", site)]);
        assert!(with("same-origin") && with("none"));
        for bad in ["cross-site", "same-site", "Cross-Site", ""] {
            assert!(!with(bad), "{bad}");
        }
        let own = ("origin", "http://localhost:8080");
        assert!(!admitted(&[("host", "localhost:8080"), own, ("sec-fetch-site", "cross-site")]));
    }
}
