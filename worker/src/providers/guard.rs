//! What stands around every outside provider: one pool of kept connections with a limit, timeouts, a token bucket, repetitions that honour
//! `Retry-After`, and a circuit breaker. (What is read of its answers, and what its refusals become, is in `answer`.)
//!
//! The provider's time runs from when a call has its turn and its connection: waiting in our own line says nothing of the provider, so it
//! counts neither towards the timeout nor for the breaker.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use common::error::{JobError, code};
use prometheus::IntGauge;
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{ACCEPT_ENCODING, HeaderValue},
    redirect,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    breaker::Breaker, bucket::Bucket, config::Service as ServiceConfig, metrics::Metrics,
    secret::Secret,
};
use crate::{context::HandlerError, stop::Stop};

/// A longer wish to be left alone is handed to the queue, which waits without a slot.
pub(super) const HELD_AT_MOST: Duration = Duration::from_secs(5);

/// A guarded service.
pub(super) struct Guard {
    name: String,
    client: Client,
    config: ServiceConfig,
    breaker: Breaker,
    bucket: Option<Bucket>,
    slots: Semaphore,
    metrics: Metrics,
    in_use: IntGauge,
    waiting: IntGauge,
}

/// One call that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the task ends in, if nothing better comes.
    pub error: Box<JobError>,
    /// Set if to repeat it at once.
    pub again: bool,
    /// Set if it speaks against the provider's health.
    pub unwell: bool,
}

impl Failure {
    /// It may go away.
    pub fn passing(error: JobError) -> Self {
        Self { error: Box::new(error), again: true, unwell: true }
    }

    /// It stays.
    pub fn lasting(error: JobError) -> Self {
        Self { error: Box::new(error), again: false, unwell: false }
    }
}

/// A connection in use; free again when dropped.
struct InUse<'a> {
    shown: &'a IntGauge,
    #[allow(dead_code, reason = "held for its drop")]
    slot: SemaphorePermit<'a>,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.shown.dec();
    }
}

/// A call that waits, for as long as it does.
struct Waiting<'a>(&'a IntGauge);

impl<'a> Waiting<'a> {
    fn new(shown: &'a IntGauge) -> Self {
        shown.inc();
        Self(shown)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Guard {
    /// Sets a service up; nothing is asked yet.
    pub fn new(name: &str, config: &ServiceConfig, metrics: &Metrics) -> Result<Self, String> {
        let client = Client::builder()
            .user_agent(concat!("spool/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(config.connect_seconds))
            .pool_max_idle_per_host(config.connections as usize)
            // What is small on its way costs us nothing to fetch and time to unpack (which `body` does for who packs all the same).
            .default_headers(
                [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))].into_iter().collect(),
            )
            .tcp_keepalive(Duration::from_secs(30))
            // A redirect would carry the key to wherever it leads.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| format!("providers.services.{name}: {error}"))?;
        metrics.limit.with_label_values(&[name]).set(i64::from(config.connections));
        let pause = Duration::from_secs(config.breaker_seconds);
        Ok(Self {
            name: name.to_owned(),
            client,
            breaker: Breaker::new(
                config.breaker_failures,
                pause,
                metrics.breaker.with_label_values(&[name]),
            ),
            bucket: config.requests_per_minute.map(Bucket::per_minute),
            slots: Semaphore::new(config.connections as usize),
            in_use: metrics.in_use.with_label_values(&[name]),
            waiting: metrics.waiting.with_label_values(&[name]),
            metrics: metrics.clone(),
            config: config.clone(),
        })
    }

    /// Its configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A request to a path below the base, with the key.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.get(self.url(path)))
    }

    /// Returns whether a URL leads to the very service that is configured.
    pub fn is_own(&self, url: &str) -> bool {
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        origin(url).is_some_and(|it| Some(it) == origin(&self.config.base_url))
    }

    /// A request to a URL of the service's own ([`Self::is_own`]), with the key.
    pub fn get_own(&self, url: &str) -> RequestBuilder {
        self.with_key(self.client.get(url))
    }

    /// A post to a path below the base, with the key, and the idempotency key that is the same in every attempt.
    pub fn post(&self, path: &str, idempotency: &str) -> RequestBuilder {
        self.with_key(self.client.post(self.url(path))).header("Idempotency-Key", idempotency)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.base_url.trim_end_matches('/'))
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.config.api_key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }

    /// Calls until there is an answer that `read` takes, within the time, the repetitions and the patience that are configured.
    pub async fn call<T, F>(
        &self,
        stop: &Stop,
        request: impl Fn() -> RequestBuilder,
        read: impl Fn(Response) -> F,
    ) -> Result<T, HandlerError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        tokio::select! {
            answer = self.call_in_time(request, read) => answer.map_err(HandlerError::Failed),
            () = stop.asked() => Err(HandlerError::Stopped),
        }
    }

    /// The same, for who can't be stopped.
    pub async fn call_in_time<T, F>(
        &self,
        request: impl Fn() -> RequestBuilder,
        read: impl Fn(Response) -> F,
    ) -> Result<T, JobError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(HELD_AT_MOST)
            .with_max_times(self.config.retries as usize)
            .with_jitter();
        let _connection = self.connection().await?;
        let turn = AtomicBool::new(true);
        let repeated = (|| self.once(&request, &read, &turn))
            .retry(pauses)
            .when(|failure: &Failure| failure.again)
            .adjust(|failure, pause| pause.map(|pause| pause.max(wanted(&failure.error))));
        let time = Duration::from_secs(self.config.timeout_seconds);
        match tokio::time::timeout(time, repeated).await {
            Ok(answer) => answer.map_err(|failure| *failure.error),
            Err(_) => {
                self.count("timeout", false);
                let detail = format!("provider `{}` gave no answer within {time:?}", self.name);
                Err(JobError::transient(code::TIMEOUT, detail))
            }
        }
    }

    /// Waits in turn for a token and a connection. A breaker that is open, or opens meanwhile, is met by the call itself.
    async fn connection(&self) -> Result<InUse<'_>, JobError> {
        let _waiting = Waiting::new(&self.waiting);
        if let Some(bucket) = &self.bucket {
            bucket.turn().await;
        }
        let closed = |_| JobError::bug(code::INTERNAL, "a provider's connections were closed");
        let slot = self.slots.acquire().await.map_err(closed)?;
        self.in_use.inc();
        Ok(InUse { shown: &self.in_use, slot })
    }

    /// One request. The first of a call has had its `turn`; each further one takes a token of its own.
    async fn once<T, F>(
        &self,
        request: &impl Fn() -> RequestBuilder,
        read: &impl Fn(Response) -> F,
        turn: &AtomicBool,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.breaker.admit(Instant::now()).map_err(|left| self.left_alone(left))?;
        let first = turn.swap(false, Ordering::Relaxed);
        if let Some(bucket) = self.bucket.as_ref().filter(|_| !first) {
            bucket.turn().await;
        }
        let answer = match sent(request, first).await {
            Ok(response) if response.status().is_success() => read(response).await,
            Ok(response) => Err(self.refused(response).await),
            Err(error) => Err(Failure::passing(self.unreachable(error))),
        };
        match &answer {
            Ok(_) => self.count("ok", true),
            Err(failure) => {
                self.count(if failure.again { "failed" } else { "refused" }, !failure.unwell)
            }
        }
        answer
    }

    /// The API key, for who must keep it out of a text.
    pub fn key(&self) -> Option<&Secret> {
        self.config.api_key.as_ref()
    }

    fn count(&self, outcome: &str, well: bool) {
        self.metrics.calls.with_label_values(&[self.name.as_str(), outcome]).inc();
        self.breaker.record(well, Instant::now());
    }

    fn left_alone(&self, left: Duration) -> Failure {
        self.metrics.calls.with_label_values(&[self.name.as_str(), "left_alone"]).inc();
        let detail = format!(
            "provider `{}` failed several times in a row and is left alone for {left:.0?}",
            self.name
        );
        Failure::lasting(JobError::transient(code::UNAVAILABLE, detail).after(left))
    }
}

/// Sends a request; the first of a call once more if the connection broke before an answer began. A kept connection may have been closed by the service just as it was used
/// again, which says nothing of its health, and the idempotency key makes it one call.
async fn sent(request: &impl Fn() -> RequestBuilder, first: bool) -> reqwest::Result<Response> {
    match request().send().await {
        Err(error) if first && error.is_request() && !error.is_connect() && !error.is_timeout() => {
            request().send().await
        }
        sent => sent,
    }
}

fn wanted(error: &JobError) -> Duration {
    error.retry_after_ms.map(Duration::from_millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers the first request of each connection, and closes the connection when another comes in on it.
    async fn closing(listener: TcpListener) {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.read(&mut request).await;
            });
        }
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_is_no_failure() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        tokio::spawn(closing(listener));
        let config =
            ServiceConfig { base_url, retries: 0, breaker_failures: 1, ..ServiceConfig::default() };
        let metrics = Metrics::new(&prometheus::Registry::new()).expect("metrics");
        let guard = Guard::new("mine", &config, &metrics).expect("a service");
        for _ in 0..5 {
            let read = |response| async { guard.json(response, 100).await };
            guard.call_in_time(|| guard.post("/x", "key"), read).await.expect("an answer");
        }
        assert_eq!(metrics.calls.with_label_values(&["mine", "ok"]).get(), 5);
        assert_eq!(metrics.calls.with_label_values(&["mine", "failed"]).get(), 0);
    }
}
