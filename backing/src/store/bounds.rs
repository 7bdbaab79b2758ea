//! Finds bounds of `common::limits` that a text of SQL repeats.

use std::{collections::BTreeMap, time::Duration};

use common::limits::{
    COUNTED_BACKLOG, IDEMPOTENCY_KEPT, LEASE, LIST_SCAN, WORKER_ALIVE, WORKER_KEPT,
};

/// The name of a bound whose value the text repeats as a number, or computes as hours.
///
/// Smaller numbers than these are too common in other meanings, such as 1000 ms in a second.
pub fn repeated(text: &str) -> Option<&'static str> {
    let ms = |duration: Duration| duration.as_millis().to_string();
    let bounds = BTreeMap::from([
        (ms(LEASE), "LEASE"),
        (ms(WORKER_ALIVE), "WORKER_ALIVE"),
        (ms(WORKER_KEPT), "WORKER_KEPT"),
        (ms(IDEMPOTENCY_KEPT), "IDEMPOTENCY_KEPT"),
        (COUNTED_BACKLOG.to_string(), "COUNTED_BACKLOG"),
        (LIST_SCAN.to_string(), "LIST_SCAN"),
    ]);
    if text.contains("* 3600") || text.contains("* 60 * 60") {
        return Some("a time in hours");
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    words.filter_map(|word| bounds.get(&word.replace('_', "")).copied()).next()
}

#[test]
fn a_repeated_bound_is_found() {
    assert!(repeated(&format!("now() - {}", LEASE.as_millis())).is_some());
    assert_eq!(repeated("LIMIT 1000"), None);
}
