//! The first level: what the caller wrote, field by field, without asking what it means.

use common::{
    fault::Fault,
    limits::{
        MAX_ATTEMPTS_CEILING, MAX_BATCH_JOBS, MAX_METADATA_BYTES, MAX_QUEUE_TIMEOUT, MAX_TAG_BYTES,
        MAX_TAGS, MAX_TIMEOUT,
    },
    schedule::SCHEDULE_TAG,
    submission::Priority,
};
use jiff::Timestamp;
use serde_json::Value;
use utoipa::ToSchema;

use super::fields::{Fields, describe, flag, text, whole};

/// A job as a client asks for it.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct JobRequest {
    /// What is to be done: the name of a kind, such as `render`, `probe` or `speech`.
    #[schema(value_type = String, example = "speech")]
    pub kind: Option<String>,
    /// What the kind takes; each kind has its own fields, and unknown ones are refused.
    #[schema(value_type = Object, example = json!({"text": "Hello"}))]
    pub input: Option<Value>,
    /// Higher runs first.
    #[schema(minimum = 0, maximum = 9, default = 5)]
    pub priority: Option<u8>,
    /// Not before this time (RFC 3339), at most a year ahead; a time that has passed means at once.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub run_at: Option<Timestamp>,
    /// The job fails as `expired` if none of its tasks has started this many milliseconds after it was accepted, or after `runAt`. A job that
    /// has started is not bound by it, nor is one that is retried.
    #[schema(minimum = 1, maximum = 31536000000_u64)]
    pub queue_timeout_ms: Option<u64>,
    /// For filters: at most 16, of at most 64 bytes each.
    #[schema(max_items = 16, nullable, required = false)]
    pub tags: Vec<String>,
    /// The caller's own object, given back with the job; at most 16 KiB as JSON.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// An attempt that takes longer, in milliseconds, is ended. The kind has a default.
    #[schema(minimum = 1, maximum = 86400000)]
    pub timeout_ms: Option<u64>,
    /// Attempts before an error that may go away is final. The kind has a default.
    #[schema(minimum = 1, maximum = 25)]
    pub max_attempts: Option<u16>,
}

impl JobRequest {
    /// Reads a document, with all that is wrong with its fields; those at fault are left out.
    pub fn read(document: Value) -> (Self, Vec<Fault>) {
        let mut fields = Fields::open("a job", document);
        let request = Self {
            kind: fields.required("kind", text),
            input: fields.required("input", Ok),
            priority: fields.optional("priority", whole(0, Priority::MAX.into())).map(narrow),
            run_at: fields.optional("runAt", timestamp),
            queue_timeout_ms: fields
                .optional("queueTimeoutMs", whole(1, MAX_QUEUE_TIMEOUT.as_secs() * 1000)),
            tags: read_tags(&mut fields),
            metadata: fields.optional("metadata", metadata),
            timeout_ms: fields.optional("timeoutMs", whole(1, MAX_TIMEOUT.as_secs() * 1000)),
            max_attempts: fields
                .optional("maxAttempts", whole(1, MAX_ATTEMPTS_CEILING.into()))
                .map(narrow),
        };
        fields.not_yet("webhook", "remove it, and follow the job with `GET /v1/jobs/{id}?wait=25`");
        (request, fields.close())
    }
}

/// Many jobs in one call, each accepted or refused by itself.
#[derive(Debug, Clone, PartialEq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct BatchRequest {
    /// The jobs, at most 10,000. One that is refused becomes a rejected item and harms no other.
    #[schema(value_type = Vec<JobRequest>, min_items = 1, max_items = 10000)]
    pub jobs: Vec<Value>,
    /// At most this many of its tasks at once.
    #[schema(minimum = 1)]
    pub max_concurrent: Option<u32>,
    /// Set if the first item that fails cancels those that have not settled.
    #[schema(value_type = Option<bool>, default = false)]
    pub stop_on_error: bool,
}

impl BatchRequest {
    /// Reads a document's own fields; its jobs are looked at one by one, later.
    pub fn read(document: Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::open("a batch", document);
        let request = Self {
            jobs: fields.required("jobs", jobs).unwrap_or_default(),
            max_concurrent: fields.optional("maxConcurrent", whole(1, i32::MAX as u64)).map(narrow),
            stop_on_error: fields.optional("stopOnError", flag).unwrap_or_default(),
        };
        fields.not_yet("webhook", "remove it, and follow the batch with `GET /v1/batches/{id}`");
        let faults = fields.close();
        if faults.is_empty() { Ok(request) } else { Err(faults) }
    }
}

/// Sources to bring here before they are needed.
#[derive(Debug, Clone, PartialEq, ToSchema)]
pub struct WarmRequest {
    /// URLs and paths, as a job's input would name them; at most 10,000.
    #[schema(min_items = 1, max_items = 10000)]
    pub sources: Vec<String>,
}

/// Behind all other work.
pub const WARM_PRIORITY: u8 = 0;
/// What jobs that only warm the caches are found by.
pub const WARM_TAG: &str = "cache-warm";

impl WarmRequest {
    /// Reads a document; whether each source can be had is found out later, one by one.
    pub fn read(document: Value) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::open("a list of sources", document);
        let sources = fields.required("sources", sources).unwrap_or_default();
        let faults = fields.close();
        if faults.is_empty() { Ok(Self { sources }) } else { Err(faults) }
    }
}

fn sources(value: Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(sources) if sources.is_empty() => {
            Err("is empty: name at least one source".to_owned())
        }
        Value::Array(sources) if sources.len() > MAX_BATCH_JOBS => Err(format!(
            "holds {} sources: at most {MAX_BATCH_JOBS} go into one call",
            sources.len()
        )),
        Value::Array(sources) => sources.into_iter().map(text).collect(),
        other => Err(format!("{} is not a list of sources", describe(&other))),
    }
}

/// A number already held to a bound that fits; the fallback is never reached.
fn narrow<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

fn jobs(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(jobs) if jobs.is_empty() => Err("is empty: give at least one job".to_owned()),
        Value::Array(jobs) if jobs.len() > MAX_BATCH_JOBS => {
            Err(format!("holds {} jobs: at most {MAX_BATCH_JOBS} go into one batch", jobs.len()))
        }
        Value::Array(jobs) => Ok(jobs),
        other => Err(format!("{} is not a list of jobs", describe(&other))),
    }
}

/// Reads a time.
pub fn timestamp(value: Value) -> Result<Timestamp, String> {
    let written = text(value)?;
    let why = |error: jiff::Error| {
        format!("`{}` is not a time such as `2026-01-31T12:00:00Z`: {error}", crop(&written))
    };
    written.parse().map_err(why)
}

fn metadata(value: Value) -> Result<Value, String> {
    if !value.is_object() {
        return Err(format!("{} is not an object", describe(&value)));
    }
    let bytes = value.to_string().len();
    if bytes > MAX_METADATA_BYTES {
        return Err(format!("is {bytes} bytes long as JSON: at most {MAX_METADATA_BYTES}"));
    }
    Ok(value)
}

fn read_tags(fields: &mut Fields) -> Vec<String> {
    let list = fields.optional("tags", |value| match value {
        Value::Array(tags) if tags.len() > MAX_TAGS => {
            Err(format!("holds {} tags: at most {MAX_TAGS}", tags.len()))
        }
        Value::Array(tags) => Ok(tags),
        other => Err(format!("{} is not a list of texts", describe(&other))),
    });
    let mut tags = Vec::new();
    for (index, value) in list.unwrap_or_default().into_iter().enumerate() {
        match tag(value) {
            Ok(tag) if tags.contains(&tag) => {}
            Ok(tag) => tags.push(tag),
            Err(detail) => fields.fault(format!("/tags/{index}"), detail),
        }
    }
    tags
}

fn tag(value: Value) -> Result<String, String> {
    let tag = text(value)?;
    if tag.starts_with(SCHEDULE_TAG) {
        return Err(format!(
            "`{}` begins with `{SCHEDULE_TAG}`, which is kept for jobs that a schedule made",
            crop(&tag)
        ));
    }
    if tag.is_empty() || tag.chars().any(char::is_control) {
        return Err("is empty or holds control characters: give a short word".to_owned());
    }
    if tag.len() > MAX_TAG_BYTES {
        return Err(format!(
            "`{}…` is {} bytes long: at most {MAX_TAG_BYTES}",
            crop(&tag),
            tag.len()
        ));
    }
    Ok(tag)
}

fn crop(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(document: Value) -> Vec<String> {
        JobRequest::read(document).1.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn every_field_at_fault_is_named_at_once() {
        let cases = [
            (json!({}), vec!["/kind", "/input"]),
            (json!([]), vec![""]),
            (json!("x"), vec![""]),
            (json!({"kind": 1, "input": {}}), vec!["/kind"]),
            (json!({"kind": "echo", "input": null}), vec!["/input"]),
            (
                json!({"kind": "echo", "input": {}, "priority": 10, "maxAttempts": 0, "timeoutMs": "1"}),
                vec!["/priority", "/timeoutMs", "/maxAttempts"],
            ),
            (json!({"kind": "echo", "input": {}, "runAt": "tomorrow"}), vec!["/runAt"]),
            (json!({"kind": "echo", "input": {}, "runAt": 5}), vec!["/runAt"]),
            (json!({"kind": "echo", "input": {}, "queueTimeoutMs": 0}), vec!["/queueTimeoutMs"]),
            (json!({"kind": "echo", "input": {}, "tags": "a"}), vec!["/tags"]),
            (
                json!({"kind": "echo", "input": {}, "tags": ["", 1, "a".repeat(65), "ok", "schedule:x"]}),
                vec!["/tags/0", "/tags/1", "/tags/2", "/tags/4"],
            ),
            (json!({"kind": "echo", "input": {}, "tags": vec!["a"; 17]}), vec!["/tags"]),
            (json!({"kind": "echo", "input": {}, "metadata": [1]}), vec!["/metadata"]),
            (
                json!({"kind": "echo", "input": {}, "metadata": {"a": "x".repeat(17_000)}}),
                vec!["/metadata"],
            ),
            (json!({"kind": "echo", "input": {}, "webhook": "https://a"}), vec!["/webhook"]),
            (json!({"kind": "echo", "input": {}, "colour": 1}), vec!["/colour"]),
        ];
        for (document, wanted) in cases {
            assert_eq!(pointers(document.clone()), wanted, "{document}");
        }
    }

    #[test]
    fn a_request_keeps_what_was_written() {
        let (request, faults) = JobRequest::read(json!({
            "kind": "echo", "input": {"value": 0.10}, "priority": 9, "runAt": "2026-01-31T12:00:00+01:00",
            "tags": ["a", "b", "a"], "metadata": {"order": 7}, "timeoutMs": 5, "maxAttempts": 25,
        }));
        assert_eq!(faults, []);
        assert_eq!(request.priority, Some(9));
        assert_eq!(request.run_at, "2026-01-31T11:00:00Z".parse().ok());
        assert_eq!(request.tags, ["a", "b"]);
        assert_eq!((request.timeout_ms, request.max_attempts), (Some(5), Some(25)));
    }

    #[test]
    fn a_batch_is_refused_whole_only_for_its_own_fields() {
        let cases = [
            (json!({}), vec!["/jobs"]),
            (json!({"jobs": []}), vec!["/jobs"]),
            (json!({"jobs": {}}), vec!["/jobs"]),
            (json!({"jobs": vec![0; MAX_BATCH_JOBS + 1]}), vec!["/jobs"]),
            (
                json!({"jobs": [1], "maxConcurrent": 0, "stopOnError": 1, "webhook": {}, "x": 1}),
                vec!["/maxConcurrent", "/stopOnError", "/webhook", "/x"],
            ),
        ];
        for (document, wanted) in cases {
            let faults = BatchRequest::read(document).expect_err("faults");
            assert_eq!(
                faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(),
                wanted
            );
        }
        assert!(BatchRequest::read(json!({"jobs": [1, null]})).is_ok());
    }
}
