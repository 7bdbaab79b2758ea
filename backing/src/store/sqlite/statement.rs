//! Statements with their arguments: `row!(connection, "SELECT … WHERE id = ?"; id)?`.
//!
//! The arguments follow the semicolon, in the order of the question marks, and after `=>` the
//! function that reads a row. Each macro runs the statement on a connection and maps its error to
//! the port's.

use common::rules::lifecycle::{TaskEvent, TaskState};
use sqlx::AssertSqlSafe;

macro_rules! run {
    ($query:expr, [$($value:expr),*], $($call:tt)+) => {
        $query$(.bind($value))*$($call)+.await.map_err($crate::store::sqlite::errors::port)
    };
}

/// Runs a statement and returns how many rows it changed.
macro_rules! execute {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query($text), [$($($value),+)?], .execute($sql))
            .map(|done| done.rows_affected())
    };
}

/// Reads the one row that there must be.
macro_rules! row {
    ($sql:expr, $text:expr; $($value:expr),+ => $read:expr) => {
        run!(sqlx::query($text), [$($value),+], .try_map($read).fetch_one($sql))
    };
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_as($text), [$($($value),+)?], .fetch_one($sql))
    };
}

/// Reads a row, if there is one.
macro_rules! maybe_row {
    ($sql:expr, $text:expr; $($value:expr),+ => $read:expr) => {
        run!(sqlx::query($text), [$($value),+], .try_map($read).fetch_optional($sql))
    };
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_as($text), [$($($value),+)?], .fetch_optional($sql))
    };
}

/// Reads all rows.
macro_rules! rows {
    ($sql:expr, $text:expr; $($value:expr),* => $read:expr) => {
        run!(sqlx::query($text), [$($value),*], .try_map($read).fetch_all($sql))
    };
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_as($text), [$($($value),+)?], .fetch_all($sql))
    };
}

/// Reads the first column of the one row that there must be.
macro_rules! value {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_scalar($text), [$($($value),+)?], .fetch_one($sql))
    };
}

/// Reads the first column of a row, if there is one.
macro_rules! maybe_value {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_scalar($text), [$($($value),+)?], .fetch_optional($sql))
    };
}

/// Reads the first column of all rows.
macro_rules! values {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        run!(sqlx::query_scalar($text), [$($($value),+)?], .fetch_all($sql))
    };
}

/// A statement that takes tasks through `event`. In its text, `{from}` becomes the condition that
/// the event is legal, `{to}` the state that follows, and `{ended}` the columns of an
/// [`EndedRow`](super::transaction::EndedRow).
///
/// States are literals and not arguments: the planner uses a partial index only for a literal.
pub fn transition(event: TaskEvent, text: &str) -> AssertSqlSafe<String> {
    let change = event.transition();
    let quoted = |state: &TaskState| format!("'{state}'");
    let from = change.from.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let text = text
        .replace("{from}", &format!("tasks.state IN ({from})"))
        .replace("{to}", &quoted(&change.to))
        .replace("{ended}", "id, job, tenant, name, kind, key, needed");
    AssertSqlSafe(text)
}
