//! What stands around every outside provider: one pool of kept connections with a limit, timeouts, a token bucket, repetitions that honour
//! `Retry-After`, a circuit breaker, answers of bounded size, and errors that hold no secret.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use common::error::{JobError, code};
use futures::StreamExt;
use prometheus::IntGauge;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{BAD_ANSWER, ServiceConfig, breaker::Breaker, bucket::Bucket, metrics::Metrics};
use crate::{kinds::Ended, stop::Stop};

/// A longer wish to be left alone is handed to the queue, which waits without a slot.
const HELD_AT_MOST: Duration = Duration::from_secs(5);
/// What is shown of a provider's own sentence.
const SENTENCE: usize = 300;
/// What is read of an error's body.
const MAX_ERROR_BYTES: usize = 16 * 1024;

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
}

/// One call that failed.
#[derive(Debug)]
pub(super) struct Failure {
    error: JobError,
    /// Whether to repeat it at once.
    again: bool,
    /// Whether it speaks against the provider's health.
    unwell: bool,
}

impl Failure {
    /// It may go away.
    pub fn passing(error: JobError) -> Self {
        Self { error, again: true, unwell: true }
    }

    /// It stays.
    pub fn lasting(error: JobError) -> Self {
        Self { error, again: false, unwell: false }
    }
}

/// A connection in use.
struct InUse<'a>(&'a IntGauge);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Guard {
    /// Sets a service up; nothing is asked yet.
    pub fn new(name: &str, config: &ServiceConfig, metrics: &Metrics) -> Result<Self, String> {
        let base = reqwest::Url::parse(&config.base_url).map_err(|error| error.to_string());
        if !base.as_ref().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err(format!("providers.services.{name}.base_url is not an http or https URL"));
        }
        let client = Client::builder()
            .user_agent(concat!("spool/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(config.connect_seconds))
            .pool_max_idle_per_host(config.connections as usize)
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
            breaker: Breaker::new(config.breaker_failures, pause, metrics.breaker.with_label_values(&[name])),
            bucket: config.requests_per_minute.map(|calls| Bucket::per_minute(calls, Instant::now())),
            slots: Semaphore::new(config.connections as usize),
            in_use: metrics.in_use.with_label_values(&[name]),
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
    ) -> Result<T, Ended>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        tokio::select! {
            answer = self.call_in_time(request, read) => answer.map_err(Ended::Failed),
            () = stop.asked() => Err(Ended::Stopped),
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
        let repeated = (|| self.once(&request, &read))
            .retry(pauses)
            .when(|failure: &Failure| failure.again)
            .adjust(|failure, pause| pause.map(|pause| pause.max(wanted(&failure.error))));
        let time = Duration::from_secs(self.config.timeout_seconds);
        match tokio::time::timeout(time, repeated).await {
            Ok(answer) => answer.map_err(|failure| failure.error),
            Err(_) => {
                self.count("timeout", false);
                let detail = format!("provider `{}` gave no answer within {time:?}", self.name);
                Err(JobError::transient(code::TIMEOUT, detail))
            }
        }
    }

    async fn once<T, F>(
        &self,
        request: &impl Fn() -> RequestBuilder,
        read: &impl Fn(Response) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.breaker.admit(Instant::now()).map_err(|left| self.left_alone(left))?;
        if let Some(bucket) = &self.bucket {
            tokio::time::sleep(bucket.take(Instant::now())).await;
        }
        let Ok(_slot) = self.slots.acquire().await else {
            return Err(Failure::lasting(JobError::bug(code::INTERNAL, "a provider's connections were closed")));
        };
        self.in_use.inc();
        let _in_use = InUse(&self.in_use);
        let answer = match request().send().await {
            Ok(response) if response.status().is_success() => read(response).await,
            Ok(response) => Err(self.refused(response).await),
            Err(error) => Err(Failure::passing(self.unreachable(error))),
        };
        match &answer {
            Ok(_) => self.count("ok", true),
            Err(failure) => self.count(if failure.again { "failed" } else { "refused" }, !failure.unwell),
        }
        answer
    }

    fn count(&self, outcome: &str, well: bool) {
        self.metrics.calls.with_label_values(&[self.name.as_str(), outcome]).inc();
        self.breaker.record(well, Instant::now());
    }

    fn left_alone(&self, left: Duration) -> Failure {
        self.metrics.calls.with_label_values(&[self.name.as_str(), "left_alone"]).inc();
        let detail = format!("provider `{}` failed several times in a row and is left alone for {left:.0?}", self.name);
        Failure { error: JobError::transient(code::UNAVAILABLE, detail).after(left), again: false, unwell: false }
    }

    /// A status that is no success: who may be asked again, and what the operator must mend.
    async fn refused(&self, response: Response) -> Failure {
        let status = response.status();
        let wait =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
        let body = self.bytes(response, MAX_ERROR_BYTES).await.unwrap_or_default();
        let said = self.sentence(&body);
        let name = &self.name;
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => {
                let wait = wait.map(Duration::from_secs).unwrap_or_default();
                let error =
                    JobError::transient(code::UNAVAILABLE, format!("provider `{name}` answered {status}{said}"));
                let again = wait <= HELD_AT_MOST;
                Failure { error: error.after(wait), again, unwell: false }
            }
            status if status.is_server_error() => {
                let error =
                    JobError::transient(code::UNAVAILABLE, format!("provider `{name}` answered {status}{said}"));
                let wait = wait.map(Duration::from_secs).unwrap_or_default();
                Failure { error: error.after(wait), again: wait <= HELD_AT_MOST, unwell: true }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::lasting(JobError::permanent(
                "provider_refused",
                format!("provider `{name}` answered {status}{said}: check the API key in the configuration"),
            )),
            status => Failure::lasting(JobError::permanent(
                "provider_refused",
                format!("provider `{name}` answered {status}{said}"),
            )),
        }
    }

    /// The sentence in an error's body, short and without the key.
    fn sentence(&self, body: &[u8]) -> String {
        let parsed: Option<Value> = serde_json::from_slice(body).ok();
        let said = parsed.as_ref().and_then(|body| {
            body.pointer("/error/message").or_else(|| body.get("error")).or_else(|| body.get("message"))?.as_str()
        });
        said.map(|said| format!(": {}", self.shown(said))).unwrap_or_default()
    }

    /// A text of the provider's as it may stand in an error.
    pub fn shown(&self, text: &str) -> String {
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let redacted = self.config.api_key.as_ref().map_or(plain.clone(), |key| key.redact(&plain));
        redacted.chars().take(SENTENCE).collect()
    }

    fn unreachable(&self, error: reqwest::Error) -> JobError {
        let error = error.without_url();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let said: Vec<String> = causes.map(ToString::to_string).collect();
        JobError::transient(
            code::UNAVAILABLE,
            format!("provider `{}` can't be used: {}", self.name, self.shown(&said.join(": "))),
        )
    }

    /// A body of at most `most` bytes.
    pub async fn bytes(&self, response: Response, most: usize) -> Result<Bytes, Failure> {
        let mut body = BytesMut::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| Failure::passing(self.unreachable(error)))?;
            if body.len() + chunk.len() > most {
                return Err(self.bad_answer(&format!("is larger than {most} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// A body of JSON.
    pub async fn json(&self, response: Response, most: usize) -> Result<Value, Failure> {
        let body = self.bytes(response, most).await?;
        serde_json::from_slice(&body).map_err(|error| self.bad_answer(&format!("is not JSON: {error}")))
    }

    /// The media type of an answer, without its parameters.
    pub fn media_type(response: &Response) -> String {
        let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// An answer that can't be used, whoever asks again.
    pub fn bad_answer(&self, what: &str) -> Failure {
        Failure::lasting(JobError::permanent(
            BAD_ANSWER,
            format!("the answer of provider `{}` {}", self.name, self.shown(what)),
        ))
    }

    /// An answer that broke off.
    pub fn cut(&self) -> Failure {
        let detail = format!("the answer of provider `{}` broke off before its end", self.name);
        Failure::passing(JobError::transient(code::UNAVAILABLE, detail))
    }
}

fn wanted(error: &JobError) -> Duration {
    error.retry_after_ms.map(Duration::from_millis).unwrap_or_default()
}
