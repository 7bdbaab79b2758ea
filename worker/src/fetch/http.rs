//! Sources on the web: http and https, addresses judged before each connection, redirects judged again, size capped.

use std::{path::Path, sync::Arc, time::Duration};

use backing::cache::{Life, Made, Namespace, Unmade};
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
    Fetched, Fetcher, Remembered,
    address::{Machine, NotPublic, PublicOnly, is_public},
    freshness, place, shown,
};

/// Redirects in a row: what browsers bear is 20, what an honest file needs is 2.
const REDIRECTS: usize = 5;
/// To connect, name and TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// A client that connects to public addresses, or, where the operator allows it, to any. `names` says where names lead; it answers
/// with public addresses alone where others are refused.
pub(super) fn client(private_addresses: bool, names: Arc<dyn Resolve>) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("spool/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .no_proxy()
        .redirect(redirect::Policy::custom(move |attempt| {
            match judge(attempt.url(), private_addresses) {
                Err(error) => attempt.error(error),
                Ok(()) if attempt.previous().len() > REDIRECTS => attempt.error(TooManyRedirects),
                Ok(()) => attempt.follow(),
            }
        }))
        .dns_resolver(names)
        .build()
}

/// How names are resolved under such a reach.
pub(super) fn names(private_addresses: bool) -> Arc<dyn Resolve> {
    if private_addresses { Arc::new(Machine) } else { Arc::new(PublicOnly(Machine)) }
}

#[derive(Debug, thiserror::Error)]
#[error("it redirects more than {REDIRECTS} times")]
struct TooManyRedirects;

#[derive(Debug, thiserror::Error)]
#[error("it leads to `{0}:`, and only http and https are fetched")]
struct OtherScheme(String);

/// A host that is an address is not resolved, so it is judged here; names are judged as they are resolved.
fn judge(
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

/// The host of a URL.
pub(super) fn host(src: &str) -> Option<String> {
    Url::parse(src).ok()?.host_str().map(str::to_owned)
}

impl Fetcher {
    /// What a URL holds: as its server said it would, or as it says now. All of this process who want it now ask once.
    pub(super) async fn fetch_url(&self, src: &str) -> Result<Fetched, JobError> {
        let bad = |what: String| bad(src, &what);
        let url = Url::parse(src).map_err(|error| bad(format!("it is not a URL: {error}")))?;
        judge(&url, self.reach.private_addresses).map_err(|error| bad(error.to_string()))?;
        let item = place(Namespace::Outside, src, &self.reach);
        let ask = || {
            let (fetcher, src, url) = (self.clone(), src.to_owned(), url.clone());
            async move { fetcher.ask(&src, url).await }
        };
        let held = self.cache.get_or_refresh(&item, || as_made(ask())).await.map_err(as_error)?;
        match serde_json::from_slice(&held) {
            Ok(fetched) if self.is_here(&fetched).await => Ok(fetched),
            // It is no longer kept as an artifact, or another version wrote it.
            _ => ask().await.map(|(fetched, _)| fetched),
        }
    }

    /// Asks the server, with the validator of what is known; and for how long its answer holds.
    async fn ask(&self, src: &str, url: Url) -> Result<(Fetched, Life), JobError> {
        let scratch = Scratch::create(&self.scratch).map_err(|error| unwritten(src, &error))?;
        let known = self.remembered(src).await;
        let response =
            self.request(url, known.as_ref()).send().await.map_err(|error| failed(src, &error))?;
        let life = freshness::life(response.headers());
        let fetched = match response.status() {
            StatusCode::NOT_MODIFIED => match known {
                Some(known) => match self.recall(src, &known.validator).await {
                    Some(fetched) => Ok(fetched),
                    None => self.download(src, scratch.path(), self.get_anew(src).await?).await,
                },
                None => Err(bad(src, "it answers 304 to a request without conditions")),
            },
            status if status.is_success() => self.download(src, scratch.path(), response).await,
            status => Err(refused(src, status, response.headers())),
        };
        Ok((fetched?, life))
    }

    fn request(&self, url: Url, known: Option<&Remembered>) -> reqwest::RequestBuilder {
        let request = self.client.get(url);
        match known.and_then(|known| known.validator.split_once(' ')) {
            Some(("etag", etag)) => request.header(IF_NONE_MATCH, etag),
            Some(("date", date)) => request.header(IF_MODIFIED_SINCE, date),
            _ => request,
        }
    }

    async fn get_anew(&self, src: &str) -> Result<Response, JobError> {
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
        if response.content_length().is_some_and(|bytes| bytes > self.reach.max_bytes) {
            return Err(self.too_large(src));
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
            if bytes > self.reach.max_bytes {
                return Err(self.too_large(src));
            }
            file.write_all(&chunk).await.map_err(written)?;
        }
        file.flush().await.map_err(written)?;
        drop(file);
        self.keep(src, &path, validator).await
    }
}

/// What was fetched, as it is kept.
async fn as_made(
    asked: impl Future<Output = Result<(Fetched, Life), JobError>>,
) -> Result<Made, Unmade> {
    let (fetched, life) = asked.await.map_err(Unmade::Failed)?;
    let value = serde_json::to_vec(&fetched).map_err(|error| Unmade::Failed(unreadable(&error)))?;
    Ok(Made { value: value.into(), life })
}

fn as_error(unmade: Unmade) -> JobError {
    match unmade {
        Unmade::Failed(error) => error,
        Unmade::Stopped => JobError::transient(code::CANCELLED, "the fetch was asked to stop"),
    }
}

fn bad(src: &str, what: &str) -> JobError {
    JobError::caller(code::BAD_SOURCE, format!("`{}` can't be fetched: {what}", shown(src)))
}

fn unwritten(src: &str, error: &std::io::Error) -> JobError {
    JobError::transient(
        code::OUT_OF_SPACE,
        format!("`{}` can't be written to scratch: {error}", shown(src)),
    )
}

fn unreadable(error: &serde_json::Error) -> JobError {
    JobError::bug(code::INTERNAL, format!("what is kept of a source can't be read: {error}"))
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

/// What reqwest says, with its causes; a refusal of ours is the caller's to mend, anything else may go away.
fn failed(src: &str, error: &reqwest::Error) -> JobError {
    let causes =
        || std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let ours = causes().find(|cause| {
        cause.is::<NotPublic>() || cause.is::<TooManyRedirects>() || cause.is::<OtherScheme>()
    });
    if let Some(ours) = ours {
        return JobError::caller(
            code::BAD_SOURCE,
            format!("`{}` can't be fetched: {ours}", shown(src)),
        );
    }
    // The outer sentence repeats the URL with its query.
    let said: Vec<String> = causes().skip(1).map(ToString::to_string).collect();
    JobError::transient(
        code::UNAVAILABLE,
        format!("`{}` can't be fetched: {}", shown(src), said.join(": ")),
    )
}
