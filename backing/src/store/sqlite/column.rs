//! Values as columns hold them, both ways.

use std::time::Duration;

use common::{
    id::Digest,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::errors::unreadable;

/// Milliseconds since the epoch as a time.
pub fn time(column: &str, millis: i64) -> PortResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| unreadable(column, millis))
}

/// A nullable time.
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

/// JSON text as a value.
pub fn json<T: DeserializeOwned>(column: &str, text: &str) -> PortResult<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

/// Nullable JSON text.
pub fn maybe_json<T: DeserializeOwned>(column: &str, text: Option<&str>) -> PortResult<Option<T>> {
    text.map(|text| json(column, text)).transpose()
}

/// A value as JSON text. Fails only for maps whose keys are not text, and no stored type has such.
pub fn text(value: &impl Serialize) -> PortResult<String> {
    serde_json::to_string(value).map_err(|error| unreadable("a new row", error))
}

/// A nullable value as JSON text.
pub fn maybe_text(value: Option<&impl Serialize>) -> PortResult<Option<String>> {
    value.map(text).transpose()
}

/// A digest from its bytes.
pub fn digest(column: &str, bytes: &[u8]) -> PortResult<Digest> {
    bytes.try_into().map(Digest).map_err(|_| unreadable(column, format!("{} bytes", bytes.len())))
}

/// A number in a narrower type.
pub fn number<T: TryFrom<i64>>(column: &str, value: i64) -> PortResult<T> {
    T::try_from(value).map_err(|_| unreadable(column, value))
}

/// A task's state from its stored spelling.
pub fn state(text: &str) -> PortResult<TaskState> {
    TaskState::parse(text).ok_or_else(|| unreadable("tasks.state", text))
}

/// A job's status from its stored spelling.
pub fn status(text: &str) -> PortResult<JobStatus> {
    JobStatus::parse(text).ok_or_else(|| unreadable("jobs.status", text))
}

/// A queue from its stored spelling.
pub fn queue(text: &str) -> PortResult<Queue> {
    Queue::parse(text).ok_or_else(|| unreadable("queue", text))
}

/// Ids as one argument: a JSON list of hex digits. A statement reads it with
/// `SELECT unhex(value) FROM json_each(?)`.
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
