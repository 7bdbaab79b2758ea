//! The guard around every service: a connection pool with a limit, timeouts, a token bucket,
//! retries that honour `Retry-After`, and a circuit breaker. (`answer` reads the responses and
//! turns refusals into errors.)
//!
//! The provider's time starts when a call has its token and its connection. Time spent waiting for
//! these is not the provider's, so neither the timeout nor the breaker counts it.

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

/// Longest wait before a retry within an attempt. A longer one ends the attempt, and the task waits
/// without a slot.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A service behind its guard.
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

/// A call that failed.
#[derive(Debug)]
pub(super) struct CallFailure {
    /// The task's error, unless a retry or another provider succeeds.
    pub error: Box<JobError>,
    /// Set if the call may be retried within this attempt.
    pub retry: bool,
    /// Set if the failure counts for the breaker.
    pub unhealthy: bool,
}

impl CallFailure {
    /// Creates a failure that may go away.
    pub fn transient(error: JobError) -> Self {
        Self { error: Box::new(error), retry: true, unhealthy: true }
    }

    /// Creates a failure that a retry does not mend.
    pub fn permanent(error: JobError) -> Self {
        Self { error: Box::new(error), retry: false, unhealthy: false }
    }
}

/// A connection in use. It is free again on drop.
struct UsedConnection<'a> {
    shown: &'a IntGauge,
    #[allow(dead_code, reason = "held for its drop")]
    slot: SemaphorePermit<'a>,
}

impl Drop for UsedConnection<'_> {
    fn drop(&mut self) {
        self.shown.dec();
    }
}

/// Counts a waiting call until it is dropped.
struct WaitingCall<'a>(&'a IntGauge);

impl<'a> WaitingCall<'a> {
    fn new(shown: &'a IntGauge) -> Self {
        shown.inc();
        Self(shown)
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Guard {
    /// Creates the guard of a service. It makes no call.
    pub fn new(name: &str, config: &ServiceConfig, metrics: &Metrics) -> Result<Self, String> {
        let client = Client::builder()
            .user_agent(concat!("spool/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(config.connect_seconds))
            .pool_max_idle_per_host(config.connections as usize)
            // Compression saves nothing here and costs time. `body` decompresses for services that
            // compress all the same.
            .default_headers(
                [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))].into_iter().collect(),
            )
            .tcp_keepalive(Duration::from_secs(30))
            // A redirect would carry the key to another host.
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

    /// Returns the service's configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Builds a request to a path below the base URL, with the key.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.get(self.url(path)))
    }

    /// Returns whether a URL leads to the configured service.
    pub fn is_own(&self, url: &str) -> bool {
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        origin(url).is_some_and(|it| Some(it) == origin(&self.config.base_url))
    }

    /// Builds a request to a URL of the service itself ([`Self::is_own`]), with the key.
    pub fn get_own(&self, url: &str) -> RequestBuilder {
        self.with_key(self.client.get(url))
    }

    /// Builds a POST to a path below the base URL, with the key. The idempotency key must be the
    /// same in every attempt.
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

    /// Calls the service until `read` accepts a response, within the configured time and retries,
    /// or until `stop`.
    pub async fn call<T, F>(
        &self,
        stop: &Stop,
        request: impl Fn() -> RequestBuilder,
        read: impl Fn(Response) -> F,
    ) -> Result<T, HandlerError>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        tokio::select! {
            answer = self.call_in_time(request, read) => answer.map_err(HandlerError::Failed),
            () = stop.asked() => Err(HandlerError::Stopped),
        }
    }

    /// Calls as [`Self::call`] does, without a way to stop.
    pub async fn call_in_time<T, F>(
        &self,
        request: impl Fn() -> RequestBuilder,
        read: impl Fn(Response) -> F,
    ) -> Result<T, JobError>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.config.retries as usize)
            .with_jitter();
        let _connection = self.connection().await?;
        let turn = AtomicBool::new(true);
        let calls = (|| self.once(&request, &read, &turn))
            .retry(pauses)
            .when(|failure: &CallFailure| failure.retry)
            .adjust(|failure, pause| pause.map(|pause| pause.max(requested_pause(&failure.error))));
        let time = Duration::from_secs(self.config.timeout_seconds);
        match tokio::time::timeout(time, calls).await {
            Ok(answer) => answer.map_err(|failure| *failure.error),
            Err(_) => {
                self.count("timeout", false);
                let detail = format!("provider `{}` gave no answer within {time:?}", self.name);
                Err(JobError::transient(code::TIMEOUT, detail))
            }
        }
    }

    /// Waits for a token and a connection. The breaker is checked by the call itself, because it
    /// may open meanwhile.
    async fn connection(&self) -> Result<UsedConnection<'_>, JobError> {
        let _waiting = WaitingCall::new(&self.waiting);
        if let Some(bucket) = &self.bucket {
            bucket.turn().await;
        }
        let closed = |_| JobError::bug(code::INTERNAL, "a provider's connections were closed");
        let slot = self.slots.acquire().await.map_err(closed)?;
        self.in_use.inc();
        Ok(UsedConnection { shown: &self.in_use, slot })
    }

    /// Makes one request. The first one of a call has its token already; each retry takes one.
    async fn once<T, F>(
        &self,
        request: &impl Fn() -> RequestBuilder,
        read: &impl Fn(Response) -> F,
        turn: &AtomicBool,
    ) -> Result<T, CallFailure>
    where
        F: Future<Output = Result<T, CallFailure>>,
    {
        self.breaker.admit(Instant::now()).map_err(|left| self.stopped_by_breaker(left))?;
        let first = turn.swap(false, Ordering::Relaxed);
        if let Some(bucket) = self.bucket.as_ref().filter(|_| !first) {
            bucket.turn().await;
        }
        let answer = match send(request, first).await {
            Ok(response) if response.status().is_success() => read(response).await,
            Ok(response) => Err(self.refused(response).await),
            Err(error) => Err(CallFailure::transient(self.unreachable(error))),
        };
        match &answer {
            Ok(_) => self.count("ok", true),
            Err(failure) => {
                self.count(if failure.retry { "failed" } else { "refused" }, !failure.unhealthy)
            }
        }
        answer
    }

    /// Returns the API key, for callers that must remove it from a text.
    pub fn key(&self) -> Option<&Secret> {
        self.config.api_key.as_ref()
    }

    fn count(&self, outcome: &str, healthy: bool) {
        self.metrics.calls.with_label_values(&[self.name.as_str(), outcome]).inc();
        self.breaker.record(healthy, Instant::now());
    }

    fn stopped_by_breaker(&self, left: Duration) -> CallFailure {
        self.metrics.calls.with_label_values(&[self.name.as_str(), "left_alone"]).inc();
        let detail = format!(
            "provider `{}` failed several times in a row and is left alone for {left:.0?}",
            self.name
        );
        CallFailure::permanent(JobError::transient(code::UNAVAILABLE, detail).after(left))
    }
}

/// Sends a request. The first one of a call is sent once more if the connection broke before a
/// response began: the service may have closed a kept connection just as it was used again. That
/// says nothing of its health, and the idempotency key makes both one call.
async fn send(request: &impl Fn() -> RequestBuilder, first: bool) -> reqwest::Result<Response> {
    match request().send().await {
        Err(error) if first && error.is_request() && !error.is_connect() && !error.is_timeout() => {
            request().send().await
        }
        sent => sent,
    }
}

fn requested_pause(error: &JobError) -> Duration {
    error.retry_after_ms.map(Duration::from_millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Responds to the first request of each connection, and closes the connection at the second.
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
    async fn a_closed_connection_of_the_pool_is_not_a_failure() {
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
