//! Sources on the web, over http and https. The address is checked before each connection and after
//! each redirect, and the size is bounded.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use backing::cache::{CachedValue, ComputeError, Lifetime, Namespace};
use common::error::{JobError, code};
use futures::StreamExt;
use media::sandbox::Scratch;
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::Resolve,
    header::{ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER},
    redirect,
};
use tokio::io::AsyncWriteExt;

use super::{
    address::{NotPublic, is_public},
    freshness,
    known::{Fetched, KnownSources, LastFetch},
    reach::shown,
};

/// Most redirects in a row. Browsers follow 20; an honest file needs 2.
const REDIRECTS: usize = 5;
/// Longest time to connect, with name resolution and TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// Creates a client that connects to public addresses, or to any if `private_addresses` is set.
/// `names` resolves host names, and must return public addresses only if others are refused.
pub(super) fn client(private_addresses: bool, names: Arc<dyn Resolve>) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("spool/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .no_proxy()
        .redirect(redirect::Policy::custom(move |attempt| {
            match check(attempt.url(), private_addresses) {
                Err(error) => attempt.error(error),
                Ok(()) if attempt.previous().len() > REDIRECTS => attempt.error(TooManyRedirects),
                Ok(()) => attempt.follow(),
            }
        }))
        .dns_resolver(names)
        .build()
}

#[derive(Debug, thiserror::Error)]
#[error("it redirects more than {REDIRECTS} times")]
struct TooManyRedirects;

#[derive(Debug, thiserror::Error)]
#[error("it leads to `{0}:`, and only http and https are fetched")]
struct OtherScheme(String);

/// Checks the scheme of a URL, and its host if that is an address. Names are checked when they are
/// resolved.
fn check(
    url: &Url,
    private_addresses: bool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Box::new(OtherScheme(url.scheme().to_owned())));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse() {
        Ok(address) if !private_addresses && !is_public(address) => Err(Box::new(NotPublic)),
        _ => Ok(()),
    }
}

/// Sources on the web. Cheap to clone.
#[derive(Clone)]
pub(super) struct WebSources {
    pub known: KnownSources,
    pub client: Client,
    /// The folder for scratch folders of requests that several callers share.
    pub scratch: PathBuf,
}

impl WebSources {
    /// Fetches a URL, or returns what was fetched before while the server allows that. Concurrent
    /// callers in this process share one request.
    pub async fn fetch(&self, src: &str) -> Result<Fetched, JobError> {
        let bad = |what: String| bad(src, &what);
        let url = Url::parse(src).map_err(|error| bad(format!("it is not a URL: {error}")))?;
        check(&url, self.known.reach.private_addresses).map_err(|error| bad(error.to_string()))?;
        let item = self.known.item(Namespace::Outside, src);
        let request = || {
            let (sources, src, url) = (self.clone(), src.to_owned(), url.clone());
            async move { sources.request(&src, url).await }
        };
        let cache = &self.known.cache;
        let value =
            cache.get_or_refresh(&item, || as_cache_value(request())).await.map_err(as_error)?;
        match serde_json::from_slice(&value) {
            Ok(fetched) if self.known.is_stored(&fetched).await => Ok(fetched),
            // The artifact is gone, or another version of Spool wrote the cached value.
            _ => request().await.map(|(fetched, _)| fetched),
        }
    }

    /// Requests the URL, with the validator of the last fetch. Returns also how long the response
    /// may be used again.
    async fn request(&self, src: &str, url: Url) -> Result<(Fetched, Lifetime), JobError> {
        let scratch = Scratch::create(&self.scratch).map_err(|error| unwritten(src, &error))?;
        let last = self.known.last_fetch(src).await;
        let response = self
            .conditional_get(url, last.as_ref())
            .send()
            .await
            .map_err(|error| failed(src, &error))?;
        let lifetime = freshness::lifetime(response.headers());
        let fetched = match response.status() {
            StatusCode::NOT_MODIFIED => match last {
                Some(last) => match self.known.unchanged(src, &last.validator).await {
                    Some(fetched) => Ok(fetched),
                    None => self.download(src, scratch.inputs(), self.get(src).await?).await,
                },
                None => Err(bad(src, "it answers 304 to a request without conditions")),
            },
            status if status.is_success() => self.download(src, scratch.inputs(), response).await,
            status => Err(refused(src, status, response.headers())),
        };
        Ok((fetched?, lifetime))
    }

    fn conditional_get(&self, url: Url, last: Option<&LastFetch>) -> reqwest::RequestBuilder {
        let request = self.client.get(url);
        match last.and_then(|last| last.validator.split_once(' ')) {
            Some(("etag", etag)) => request.header(IF_NONE_MATCH, etag),
            Some(("date", date)) => request.header(IF_MODIFIED_SINCE, date),
            _ => request,
        }
    }

    async fn get(&self, src: &str) -> Result<Response, JobError> {
        let response = self.client.get(src).send().await.map_err(|error| failed(src, &error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(refused(src, status, response.headers())),
        }
    }

    async fn download(
        &self,
        src: &str,
        scratch: &Path,
        response: Response,
    ) -> Result<Fetched, JobError> {
        if response.content_length().is_some_and(|bytes| bytes > self.known.reach.max_bytes) {
            return Err(self.known.reach.too_large(src));
        }
        let validator = validator(response.headers());
        let path = scratch.join("source");
        let written = |error: std::io::Error| unwritten(src, &error);
        let mut file = tokio::fs::File::create(&path).await.map_err(written)?;
        let mut bytes = 0u64;
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failed(src, &error))?;
            bytes += chunk.len() as u64;
            if bytes > self.known.reach.max_bytes {
                return Err(self.known.reach.too_large(src));
            }
            file.write_all(&chunk).await.map_err(written)?;
        }
        file.flush().await.map_err(written)?;
        drop(file);
        self.known.store(src, &path, validator).await
    }
}

/// Converts a fetched source to a cache value.
async fn as_cache_value(
    fetching: impl Future<Output = Result<(Fetched, Lifetime), JobError>>,
) -> Result<CachedValue, ComputeError> {
    let (fetched, lifetime) = fetching.await.map_err(ComputeError::Failed)?;
    let value =
        serde_json::to_vec(&fetched).map_err(|error| ComputeError::Failed(uncacheable(&error)))?;
    Ok(CachedValue { value: value.into(), lifetime })
}

fn as_error(error: ComputeError) -> JobError {
    match error {
        ComputeError::Failed(error) => error,
        ComputeError::Stopped => stopped(),
    }
}

/// Returns the error for a fetch that ended because its attempt must stop.
pub(super) fn stopped() -> JobError {
    JobError::transient(code::CANCELLED, "the fetch was asked to stop")
}

fn bad(src: &str, what: &str) -> JobError {
    JobError::caller(code::BAD_SOURCE, format!("`{}` can't be fetched: {what}", shown(src)))
}

fn unwritten(src: &str, error: &std::io::Error) -> JobError {
    JobError::from_io(format!("`{}` can't be written to scratch: {error}", shown(src)), error)
}

fn uncacheable(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("a fetched source can't be cached: {error}"))
}

fn validator(headers: &HeaderMap) -> Option<String> {
    let header = |name| {
        headers.get(name).and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok())
    };
    header(ETAG)
        .map(|etag| format!("etag {etag}"))
        .or_else(|| header(LAST_MODIFIED).map(|date| format!("date {date}")))
}

fn refused(src: &str, status: StatusCode, headers: &HeaderMap) -> JobError {
    let detail = format!("`{}` answered {status}", shown(src));
    if status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
    {
        let error = JobError::transient(code::UNAVAILABLE, detail);
        let wanted = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        return wanted.map_or(error.clone(), |seconds| error.after(Duration::from_secs(seconds)));
    }
    JobError::caller(code::BAD_SOURCE, detail)
}

/// Converts an error of reqwest, with its causes. A refusal by this module is the caller's to mend;
/// any other error may go away.
fn failed(src: &str, error: &reqwest::Error) -> JobError {
    let causes =
        || std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let refusal = causes().find(|cause| {
        cause.is::<NotPublic>() || cause.is::<TooManyRedirects>() || cause.is::<OtherScheme>()
    });
    if let Some(refusal) = refusal {
        return JobError::caller(
            code::BAD_SOURCE,
            format!("`{}` can't be fetched: {refusal}", shown(src)),
        );
    }
    // The outermost sentence is left out, because it repeats the URL with its query.
    let sentences: Vec<String> = causes().skip(1).map(ToString::to_string).collect();
    JobError::transient(
        code::UNAVAILABLE,
        format!("`{}` can't be fetched: {}", shown(src), sentences.join(": ")),
    )
}
