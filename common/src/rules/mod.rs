//! The rules of the queue, as pure functions: no SQL, no I/O, no clock. Time and chance are
//! arguments.
//!
//! [`lifecycle`] says which state follows which. [`decide`] turns the outcome of an attempt into
//! what is written of it, [`cascade`] says what a settled task means for others. [`gates`] and
//! [`fairness`] choose the tasks that are dispatched, and [`progress`] and [`waiting_for`] fill in
//! what a client sees of an open job. The SQLite store calls all of them. PostgreSQL's functions
//! say the same in SQL, and one conformance suite tests both.

pub mod cascade;

pub mod fairness;
pub mod gates;
pub mod lifecycle;
pub mod progress;
pub mod waiting_for;
