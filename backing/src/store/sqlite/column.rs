//! How values stand in columns, both ways.

use std::time::Duration;

use common::{
    id::Digest,
    plan::OnFailure,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::fault::unreadable;

/// Milliseconds since the epoch as a time.
pub fn time(column: &str, millis: i64) -> PortResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| unreadable(column, millis))
}

/// The same, where there may be none.
pub fn maybe_time(column: &str, millis: Option<i64>) -> PortResult<Option<Timestamp>> {
    millis.map(|millis| time(column, millis)).transpose()
}

/// A duration as milliseconds, as far as a column reaches.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Milliseconds as a duration.
pub fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// JSON text as what it says.
pub fn json<T: DeserializeOwned>(column: &str, text: &str) -> PortResult<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

/// The same, where there may be none.
pub fn maybe_json<T: DeserializeOwned>(column: &str, text: Option<&str>) -> PortResult<Option<T>> {
    text.map(|text| json(column, text)).transpose()
}

/// A value as JSON text. Only maps with keys that are not text could fail, and none of ours has such.
pub fn text(value: &impl Serialize) -> PortResult<String> {
    serde_json::to_string(value).map_err(|error| unreadable("a new row", error))
}

/// A hash's bytes.
pub fn digest(column: &str, bytes: &[u8]) -> PortResult<Digest> {
    bytes.try_into().map(Digest).map_err(|_| unreadable(column, format!("{} bytes", bytes.len())))
}

/// A count or a number that a narrower type holds.
pub fn number<T: TryFrom<i64>>(column: &str, value: i64) -> PortResult<T> {
    T::try_from(value).map_err(|_| unreadable(column, value))
}

/// A task's state.
pub fn state(text: &str) -> PortResult<TaskState> {
    TaskState::parse(text).ok_or_else(|| unreadable("tasks.state", text))
}

/// A job's status.
pub fn status(text: &str) -> PortResult<JobStatus> {
    JobStatus::parse(text).ok_or_else(|| unreadable("jobs.status", text))
}

/// A queue.
pub fn queue(text: &str) -> PortResult<Queue> {
    Queue::parse(text).ok_or_else(|| unreadable("queue", text))
}

/// Ids as one argument: a JSON list of hex digits, which statements take apart with `unhex(value) … json_each(?)`.
pub fn id_list<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> String {
    let mut list = String::from("[");
    for (index, id) in ids.into_iter().enumerate() {
        let separator = if index == 0 { "\"" } else { ",\"" };
        list.push_str(separator);
        list.push_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
        list.push('"');
    }
    list.push(']');
    list
}

/// What an edge says of failure.
pub fn on_failure(text: &str) -> PortResult<OnFailure> {
    match text {
        "cancel" => Ok(OnFailure::Cancel),
        "proceed" => Ok(OnFailure::Proceed),
        _ => Err(unreadable("edges.on_failure", text)),
    }
}

/// The same, to be stored.
pub fn on_failure_text(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Cancel => "cancel",
        OnFailure::Proceed => "proceed",
    }
}
