//! First level of a submit: the documents that callers post, member by member.

use std::time::Duration;

use common::{
    document::{
        self, Bounded, DocumentReader, ListBounds, NumberBounds, TextBounds, Unsupported,
        Untouched, brief, crop, list, object,
    },
    fault::Fault,
    id::Digest,
    key::canonical,
    limits::{
        MAX_ATTEMPTS_CEILING, MAX_BATCH_JOBS, MAX_METADATA_BYTES, MAX_QUEUE_TIMEOUT,
        MAX_RETRY_PAUSE, MAX_TAG_BYTES, MAX_TAGS, MAX_TIMEOUT, MAX_UNIQUE_KEY_BYTES,
        MAX_UNIQUE_PERIOD,
    },
    plan::Overrides,
    retry::RetryOverride,
    rules::lifecycle::JobStatus,
    schedule::SCHEDULE_TAG,
    submission::{Priority, Unique},
};
use jiff::Timestamp;
use serde_json::Value;
use utoipa::ToSchema;

const PRIORITY: NumberBounds = NumberBounds::new(0, Priority::MAX as i64, "");
const QUEUE_TIMEOUT: NumberBounds = milliseconds(MAX_QUEUE_TIMEOUT);
const TIMEOUT: NumberBounds = milliseconds(MAX_TIMEOUT);
const ATTEMPTS: NumberBounds = NumberBounds::new(1, MAX_ATTEMPTS_CEILING as i64, " attempts");
const TAGS: ListBounds<TextBounds> = NumberBounds::new(0, MAX_TAGS as i64, " tags")
    .of(TextBounds::bytes(MAX_TAG_BYTES).or_empty().and(tag));
const METADATA: ObjectOf = ObjectOf { bytes: MAX_METADATA_BYTES };
const JOBS: NumberBounds = NumberBounds::new(1, MAX_BATCH_JOBS as i64, " jobs");
const CONCURRENT: NumberBounds = NumberBounds::new(1, i32::MAX as i64, " tasks");
const SOURCES: NumberBounds = NumberBounds::new(1, MAX_BATCH_JOBS as i64, " sources");
const PAUSE: NumberBounds = milliseconds(MAX_RETRY_PAUSE);
const JITTER: NumberBounds = NumberBounds::new(0, 100, " percent");
const RETRY: Ascending = Ascending;
const BY: SameBy = SameBy;
const KEY: TextBounds = TextBounds::bytes(MAX_UNIQUE_KEY_BYTES);
const PERIOD: NumberBounds = milliseconds(MAX_UNIQUE_PERIOD);
const STATES: SameIn = SameIn;
const JOB_WEBHOOK: Unsupported =
    Unsupported("remove it, and follow the job with `GET /v1/jobs/{id}?wait=25`");
const BATCH_WEBHOOK: Unsupported =
    Unsupported("remove it, and follow the batch with `GET /v1/batches/{id}`");

const fn milliseconds(most: Duration) -> NumberBounds {
    NumberBounds::new(1, most.as_millis() as i64, " milliseconds")
}

object! {
    /// A job as a client asks for it.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct JobRequest {
        /// Name of the kind, such as `render`, `probe` or `speech`.
        #[schema(example = "speech")]
        kind: String = "kind",
        /// Input of the kind. Each kind has its own members, and unknown ones are refused.
        #[schema(value_type = Object, example = json!({"text": "Hello"}))]
        input: Untouched = "input",
        /// Higher runs first.
        #[schema(minimum = 0, maximum = 9, default = 5)]
        priority: Option<u8> = "priority" within PRIORITY,
        /// Earliest start (RFC 3339), at most a year ahead. A time that has passed means at once.
        #[schema(value_type = Option<String>, format = DateTime)]
        run_at: Option<Timestamp> = "runAt",
        /// The job fails as `expired` if none of its tasks has started this many milliseconds after
        /// it was accepted, or after `runAt`. A job that has started is not bound by it, nor is one
        /// that is retried.
        #[schema(minimum = 1, maximum = 31536000000_u64)]
        queue_timeout_ms: Option<u64> = "queueTimeoutMs" within QUEUE_TIMEOUT,
        /// Words to filter by: at most 16, of at most 64 bytes each.
        #[schema(max_items = 16)]
        tags: Option<Vec<String>> = "tags" within TAGS,
        /// The caller's own object, returned with the job; at most 16 KiB as JSON.
        #[schema(value_type = Option<Object>)]
        metadata: Option<Value> = "metadata" within METADATA,
        /// An attempt that takes longer, in milliseconds, is ended. The kind has a default.
        #[schema(minimum = 1, maximum = 86400000)]
        timeout_ms: Option<u64> = "timeoutMs" within TIMEOUT,
        /// Attempts before an error that may go away is final. The kind has a default.
        #[schema(minimum = 1, maximum = 25)]
        max_attempts: Option<u16> = "maxAttempts" within ATTEMPTS,
        /// Pauses between attempts, in place of those of the kind.
        retry: Option<RetryRequest> = "retry" within RETRY,
        /// Set if no other job is to be made while one is the same: that one is answered then,
        /// with 200 and `existing`. Not in a batch.
        unique: Option<UniqueRequest> = "unique",
        #[schema(ignore)]
        webhook: Option<Value> = "webhook" within JOB_WEBHOOK,
    }
}

object! {
    /// Pauses between attempts: each is drawn below a bound that doubles from `baseMs` up to
    /// `ceilingMs`. Members that are left out are those of the kind.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct RetryRequest {
        /// Bound of the first pause, in milliseconds.
        #[schema(minimum = 1, maximum = 86400000)]
        base_ms: Option<u64> = "baseMs" within PAUSE,
        /// The longest pause, in milliseconds.
        #[schema(minimum = 1, maximum = 86400000)]
        ceiling_ms: Option<u64> = "ceilingMs" within PAUSE,
        /// Part of a pause that is drawn by chance, so that tasks that failed together are not
        /// tried together: 100 draws from 0 to the bound, 0 takes the bound itself.
        #[schema(minimum = 0, maximum = 100)]
        jitter_percent: Option<u8> = "jitterPercent" within JITTER,
    }
}

/// Bound of the pauses to each other.
struct Ascending;

impl Bounded<Ascending> for RetryRequest {
    fn check(&self, _: &Ascending, reader: &mut DocumentReader) {
        if let (Some(base), Some(ceiling)) = (self.base_ms, self.ceiling_ms)
            && ceiling < base
        {
            let detail = format!("`{ceiling}` is less than `baseMs`, which is `{base}`: give more");
            reader.within("ceilingMs", |reader| reader.fault::<()>(detail));
        }
    }
}

object! {
    /// Which jobs are the same as one, and for how long.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct UniqueRequest {
        /// `"input"`: jobs of the same kind with the same input, as it is written. Or an object
        /// with a `key` of your own (1 to 255 bytes): jobs of the same kind with that key.
        #[schema(value_type = Object, example = json!({"key": "report-2027-01"}))]
        by: Value = "by" within BY,
        /// Milliseconds after it was accepted in which a job is the same; for as long as it is
        /// kept unless said.
        #[schema(minimum = 1, maximum = 2592000000_u64)]
        period_ms: Option<u64> = "periodMs" within PERIOD,
        /// Statuses in which a job is the same; `queued` and `running` must be among them. By
        /// default these two; with a period `succeeded` as well.
        #[schema(example = json!(["queued", "running", "succeeded"]))]
        states: Option<Vec<String>> = "states" within STATES,
    }
}

impl UniqueRequest {
    /// Converts it for a job of this kind and input.
    pub fn unique(&self, kind: &str, input: &Value) -> Unique {
        let same = match self.by.get("key") {
            Some(key) => format!("unique key\n{kind}\n{}", canonical(key)),
            None => format!("unique input\n{kind}\n{}", canonical(input)),
        };
        let states = self.states.as_ref().map(|states| {
            states.iter().filter_map(|state| JobStatus::parse(state)).collect::<Vec<_>>()
        });
        let succeeded = self.period_ms.map(|_| JobStatus::Succeeded);
        let states = states.unwrap_or_else(|| succeeded.into_iter().collect());
        Unique {
            key: Digest::of(same.as_bytes()),
            period: self.period_ms.map(Duration::from_millis),
            statuses: states.into_iter().filter(|state| state.is_final()).collect(),
        }
    }
}

impl JobRequest {
    /// Bounds of the job that replace those of its kind.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            timeout: self.timeout_ms.map(Duration::from_millis),
            max_attempts: self.max_attempts,
            retry: self.retry.as_ref().map(|retry| RetryOverride {
                base: retry.base_ms.map(Duration::from_millis),
                ceiling: retry.ceiling_ms.map(Duration::from_millis),
                jitter_percent: retry.jitter_percent,
            }),
        }
    }

    /// The tags, each once.
    pub fn distinct_tags(&self) -> Vec<String> {
        let mut tags = Vec::new();
        for tag in self.tags.iter().flatten() {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }
}

object! {
    /// Many jobs in one call, each accepted or refused by itself.
    #[derive(ToSchema)]
    #[schema(rename_all = "camelCase")]
    pub struct BatchRequest {
        /// The jobs, at most 10,000. One that is refused becomes a rejected item and harms no
        /// other.
        #[schema(value_type = Vec<JobRequest>, min_items = 1, max_items = 10000)]
        jobs: Vec<Untouched> = "jobs" within JOBS,
        /// The most of its tasks that are queued or running at once.
        #[schema(minimum = 1)]
        max_concurrent: Option<u32> = "maxConcurrent" within CONCURRENT,
        /// Set if the first item that fails cancels those that have not settled.
        #[schema(default = false)]
        stop_on_error: Option<bool> = "stopOnError",
        #[schema(ignore)]
        webhook: Option<Value> = "webhook" within BATCH_WEBHOOK,
    }
}

object! {
    /// Sources to fetch before they are needed.
    #[derive(ToSchema)]
    pub struct WarmRequest {
        /// URLs and paths, as the input of a job names them; at most 10,000.
        #[schema(min_items = 1, max_items = 10000)]
        sources: Vec<String> = "sources" within SOURCES,
    }
}

/// Priority of jobs that only warm the caches: behind all other work.
pub const WARM_PRIORITY: u8 = 0;
/// Tag of jobs that only warm the caches.
pub const WARM_TAG: &str = "cache-warm";

impl WarmRequest {
    /// Reads a document. Each source is checked later, by itself.
    pub fn read(document: Value) -> Result<Self, Vec<Fault>> {
        document::read(&document)
    }
}

/// Form of what makes jobs the same.
struct SameBy;

impl Bounded<SameBy> for Value {
    fn check(&self, _: &SameBy, reader: &mut DocumentReader) {
        let key = self.as_object().filter(|by| by.len() == 1).and_then(|by| by.get("key"));
        match key {
            Some(Value::String(key)) => reader.within("key", |reader| key.check(&KEY, reader)),
            Some(other) => {
                let detail = format!("is {}: give a text", brief(other));
                reader.within("key", |reader| reader.fault::<()>(detail));
            }
            None if *self == "input" => {}
            None => {
                let detail = "give `\"input\"`, or an object with `key` alone";
                reader.fault::<()>(format!("is {}: {detail}", brief(self)));
            }
        }
    }
}

/// Bound of the statuses in which a job is the same.
struct SameIn;

impl Bounded<SameIn> for Vec<String> {
    fn check(&self, _: &SameIn, reader: &mut DocumentReader) {
        let known = JobStatus::ALL.map(JobStatus::as_str);
        for (index, state) in self.iter().enumerate() {
            if JobStatus::parse(state).is_none() {
                let detail = format!("`{}` is no status: use {}", crop(state), list(&known));
                reader.within(&index.to_string(), |reader| reader.fault::<()>(detail));
            }
        }
        for state in [JobStatus::Queued, JobStatus::Running] {
            if !self.iter().any(|one| one == state.as_str()) {
                let state = state.as_str();
                reader.fault::<()>(format!("lacks `{state}`: an open job is always the same"));
            }
        }
    }
}

/// Bound of an object that is kept as the caller wrote it: its size as JSON.
struct ObjectOf {
    bytes: usize,
}

impl Bounded<ObjectOf> for Value {
    fn check(&self, bounds: &ObjectOf, reader: &mut DocumentReader) {
        let (bytes, most) = (self.to_string().len(), bounds.bytes);
        if !self.is_object() {
            reader.fault::<()>(format!("is {}: give an object", brief(self)));
        } else if bytes > most {
            reader.fault::<()>(format!("is {bytes} bytes long as JSON: at most {most} are taken"));
        }
    }
}

fn tag(tag: &str) -> Result<(), String> {
    if tag.starts_with(SCHEDULE_TAG) {
        return Err(format!(
            "`{}` begins with `{SCHEDULE_TAG}`, which is for jobs of a schedule: use another word",
            crop(tag)
        ));
    }
    if tag.is_empty() || tag.chars().any(char::is_control) {
        return Err("is empty or holds control characters: give a short word".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
