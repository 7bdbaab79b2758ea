//! The `spool` binary.
fn main() {}
