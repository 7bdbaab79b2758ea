//! Converts columns to the port's types and back.

use std::time::Duration;

use common::{
    error::JobError,
    id::Digest,
    port::PortResult,
    queue::Queue,
    rules::{
        cascade::TallyByKind,
        lifecycle::{JobStatus, TaskState},
    },
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

    /// JSON text, or NULL; an error if it can't be read.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, JobError>;

    /// JSON text, or NULL. Text that can't be read counts as NULL, and its error goes to
    /// `unreadable`, so that a damaged document harms neither its row nor the others of a page.
    fn json_or_note<T: DeserializeOwned>(
        &self,
        column: &str,
        unreadable: &mut Option<JobError>,
    ) -> Option<T> {
        self.json(column).unwrap_or_else(|error| {
            unreadable.get_or_insert(error);
            None
        })
    }

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

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, JobError> {
        let value: Result<Option<Json<T>>, sqlx::Error> = self.try_get(column);
        value.map(|value| value.map(|Json(value)| value)).map_err(|error| {
            tracing::error!(column, %error, "a stored document can't be read");
            JobError::unreadable(column, error)
        })
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

/// Counts of a job's tasks by kind. They are for people, so damaged ones begin at zero again and
/// keep no task from settling.
pub fn kinds(text: &str) -> TallyByKind {
    serde_json::from_str(text)
        .inspect_err(|error| tracing::error!(%error, "counts of a job's tasks can't be read"))
        .unwrap_or_default()
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
