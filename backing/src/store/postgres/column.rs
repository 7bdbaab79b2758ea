//! Converts values to columns and back.

use std::{collections::BTreeSet, time::Duration};

use common::{
    error::JobError,
    id::Digest,
    port::PortResult,
    queue::Queue,
    rules::lifecycle::{JobStatus, TaskState},
    view::Progress,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Decode, Row, Type,
    postgres::{PgRow, Postgres},
};

use super::errors::{port, unreadable};

/// Takes a row's cells one after another: by position, because a look-up by name for each of thirty
/// cells costs more than the cell.
pub struct Cells<'r> {
    row: &'r PgRow,
    next: usize,
    unreadable: Option<JobError>,
}

impl<'r> Cells<'r> {
    /// Starts at the first cell.
    pub fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0, unreadable: None }
    }

    /// Takes the next cell.
    pub fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> PortResult<T> {
        let value = self.row.try_get(self.next).map_err(port);
        self.next += 1;
        value
    }

    /// Takes a number that a narrower or unsigned type holds.
    pub fn number<S, T>(&mut self, column: &str) -> PortResult<T>
    where
        S: Decode<'r, Postgres> + Type<Postgres> + Copy + ToString,
        T: TryFrom<S>,
    {
        let value: S = self.take()?;
        T::try_from(value).map_err(|_| unreadable(column, value))
    }

    /// Takes milliseconds since the epoch.
    pub fn time(&mut self, column: &str) -> PortResult<Timestamp> {
        let millis = self.take()?;
        time(column, millis)
    }

    /// Takes milliseconds since the epoch, or NULL.
    pub fn maybe_time(&mut self, column: &str) -> PortResult<Option<Timestamp>> {
        let millis: Option<i64> = self.take()?;
        millis.map(|millis| time(column, millis)).transpose()
    }

    /// Takes an array; NULL is an empty one.
    pub fn list<T>(&mut self) -> PortResult<Vec<T>>
    where
        Vec<T>: Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(self.take::<Option<Vec<T>>>()?.unwrap_or_default())
    }

    /// Takes an array of queues.
    pub fn queues(&mut self) -> PortResult<BTreeSet<Queue>> {
        self.list::<String>()?.iter().map(|name| queue(name)).collect()
    }

    /// Takes keys to decide on: an array of tenants and one of keys.
    pub fn keys(&mut self) -> PortResult<impl Iterator<Item = (String, Vec<u8>)> + use<>> {
        let (tenants, keys): (Vec<String>, Vec<Vec<u8>>) = (self.list()?, self.list()?);
        Ok(tenants.into_iter().zip(keys))
    }

    /// Takes JSON text, or NULL. Text that can't be read counts as NULL and is kept as an error, so
    /// that a damaged document harms neither its row nor the others of a page.
    pub fn json<T: DeserializeOwned>(&mut self, column: &str) -> PortResult<Option<T>> {
        let text: Option<&str> = self.take()?;
        match text.map(|text| json(column, text)).transpose() {
            Ok(value) => Ok(value),
            Err(error) => {
                self.unreadable.get_or_insert(error);
                Ok(None)
            }
        }
    }

    /// Returns the error of the first document that could not be read since the last call.
    pub fn take_unreadable(&mut self) -> Option<JobError> {
        self.unreadable.take()
    }
}

/// Converts milliseconds since the epoch to a time.
pub fn time(column: &str, millis: i64) -> PortResult<Timestamp> {
    Timestamp::from_millisecond(millis).map_err(|_| unreadable(column, millis))
}

/// Converts a duration to milliseconds, as far as a column reaches.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// Converts milliseconds to a duration.
pub fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Parses JSON text.
pub fn json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, JobError> {
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(column, %error, "a stored document can't be read");
        JobError::unreadable(column, error)
    })
}

/// Writes a value as JSON text. Only maps with keys that are not text could fail, and there are
/// none.
pub fn text(value: &impl Serialize) -> PortResult<String> {
    serde_json::to_string(value).map_err(|error| unreadable("a new row", error))
}

/// Narrows a count, which `common::limits` bounds.
pub fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// Narrows a number of attempts, which `common::limits` bounds.
pub fn small(number: impl TryInto<i16>) -> i16 {
    number.try_into().unwrap_or(i16::MAX)
}

/// Copies a hash's bytes.
pub fn bytes(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}

/// Parses a task's state.
pub fn state(text: &str) -> PortResult<TaskState> {
    TaskState::parse(text).ok_or_else(|| unreadable("tasks.state", text))
}

/// Parses a job's status.
pub fn status(text: &str) -> PortResult<JobStatus> {
    JobStatus::parse(text).ok_or_else(|| unreadable("jobs.status", text))
}

/// Parses a queue's name.
pub fn queue(text: &str) -> PortResult<Queue> {
    Queue::parse(text).ok_or_else(|| unreadable("queue", text))
}

/// Converts an attempt's progress. It is kept in four bytes, and reported as the decimal that was
/// meant (0.1, not 0.10000000149).
pub fn progress(value: Option<f32>, stage: Option<String>) -> Option<Progress> {
    let value = value?;
    Some(Progress { value: value.to_string().parse().unwrap_or(f64::from(value)), stage })
}
