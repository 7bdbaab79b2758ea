//! Statements with their arguments: `row!(connection, "SELECT … WHERE id = ?"; id)?`.
//!
//! The arguments follow the semicolon, in the order of the question marks. Each macro runs the
//! statement on a connection and maps its error to the port's.

use common::rules::lifecycle::{TaskEvent, TaskState};
use sqlx::AssertSqlSafe;

macro_rules! bound {
    ($query:expr; $method:ident, $sql:expr $(, $value:expr)*) => {
        $query$(.bind($value))*.$method($sql).await.map_err($crate::store::sqlite::errors::port)
    };
}

/// Runs a statement and returns how many rows it changed.
macro_rules! execute {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query($text); execute, $sql $($(, $value)+)?)
            .map(|done| done.rows_affected())
    };
}

/// Reads the one row that there must be.
macro_rules! row {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_as($text); fetch_one, $sql $($(, $value)+)?)
    };
}

/// Reads a row, if there is one.
macro_rules! maybe_row {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_as($text); fetch_optional, $sql $($(, $value)+)?)
    };
}

/// Reads all rows.
macro_rules! rows {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_as($text); fetch_all, $sql $($(, $value)+)?)
    };
}

/// Reads the first column of the one row that there must be.
macro_rules! value {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_scalar($text); fetch_one, $sql $($(, $value)+)?)
    };
}

/// Reads the first column of a row, if there is one.
macro_rules! maybe_value {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_scalar($text); fetch_optional, $sql $($(, $value)+)?)
    };
}

/// Reads the first column of all rows.
macro_rules! values {
    ($sql:expr, $text:expr $(; $($value:expr),+)?) => {
        bound!(sqlx::query_scalar($text); fetch_all, $sql $($(, $value)+)?)
    };
}

/// A statement that takes tasks through `event`. In its text, `{from}` becomes the condition that
/// the event is legal, and `{to}` the state that follows.
///
/// They are literals and not arguments: the planner uses a partial index only for a literal.
pub fn transition(event: TaskEvent, text: &str) -> AssertSqlSafe<String> {
    let change = event.transition();
    let quoted = |state: &TaskState| format!("'{state}'");
    let from = change.from.iter().map(quoted).collect::<Vec<_>>().join(", ");
    let from = format!("tasks.state IN ({from})");
    AssertSqlSafe(text.replace("{from}", &from).replace("{to}", &quoted(&change.to)))
}
