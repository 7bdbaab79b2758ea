//! The rules of the queue, as pure functions: no SQL, no I/O, no clock. Time and chance are
//! arguments.
//!
//! [`lifecycle`] says which state follows which, [`decide`] turns the outcome of an attempt into a
//! verdict, and [`cascade`] says what a settled task means for others. [`gates`] and [`fairness`]
//! choose the tasks that are dispatched; [`progress`] and [`waiting_for`] complete a client's view
//! of an open job. SQLite's store calls them; PostgreSQL's functions repeat them in SQL, and one
//! conformance suite holds both to the same behaviour.

pub mod cascade;
pub mod decide;
pub mod fairness;
pub mod gates;
pub mod lifecycle;
pub mod progress;
pub mod suspension;
pub mod waiting_for;
