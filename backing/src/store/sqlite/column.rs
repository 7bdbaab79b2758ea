//! Converts columns to the port's types and back.

use std::time::Duration;

use common::{
    id::Digest,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{Row, error::BoxDynError, sqlite::SqliteRow, types::Json};
use uuid::{Uuid, fmt::Simple};

use super::errors::unreadable;

/// Reads columns of a row that hold times, JSON and stored spellings.
pub trait Columns {
    fn time(&self, column: &str) -> sqlx::Result<Timestamp>;

    fn maybe_time(&self, column: &str) -> sqlx::Result<Option<Timestamp>>;

    fn json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T>;

    fn maybe_json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<Option<T>>;

    fn spelled<T>(&self, column: &str, parse: fn(&str) -> Option<T>) -> sqlx::Result<T>;
}

impl Columns for SqliteRow {
    fn time(&self, column: &str) -> sqlx::Result<Timestamp> {
        decoded(column, time(self.try_get(column)?))
    }

    fn maybe_time(&self, column: &str) -> sqlx::Result<Option<Timestamp>> {
        let millis: Option<i64> = self.try_get(column)?;
        millis.map(|millis| decoded(column, time(millis))).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<T> {
        self.try_get(column).map(|Json(value)| value)
    }

    fn maybe_json<T: DeserializeOwned>(&self, column: &str) -> sqlx::Result<Option<T>> {
        let value: Option<Json<T>> = self.try_get(column)?;
        Ok(value.map(|Json(value)| value))
    }

    fn spelled<T>(&self, column: &str, parse: fn(&str) -> Option<T>) -> sqlx::Result<T> {
        let text: &str = self.try_get(column)?;
        decoded(column, parse(text).ok_or_else(|| unreadable(column, text)))
    }
}

fn decoded<T>(column: &str, value: Result<T, impl Into<BoxDynError>>) -> sqlx::Result<T> {
    let index = column.to_owned();
    value.map_err(|error| sqlx::Error::ColumnDecode { index, source: error.into() })
}

/// Milliseconds since the epoch as a time.
pub fn time(millis: i64) -> PortResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| unreadable("time", millis))
}

/// A duration as milliseconds, as far as a column reaches.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// A digest from its bytes.
pub fn digest(column: &str, bytes: &[u8]) -> PortResult<Digest> {
    bytes.try_into().map(Digest).map_err(|_| unreadable(column, format!("{} bytes", bytes.len())))
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
pub fn id_list<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> Json<Vec<Simple>> {
    Json(ids.into_iter().map(|id| id.simple()).collect())
}
