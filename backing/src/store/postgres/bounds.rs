//! The bounds and settings that SQL functions name as `{{NAME}}`, filled in by `spool migrate`.

use std::time::Duration;

use common::limits::{
    CLOCK_STEP, COUNTED_BACKLOG, COUNTED_PLACES, IDEMPOTENCY_KEPT, LEASE, LIST_SCAN, MAX_GROUP,
    UNFIT_PAUSE, WORKER_ALIVE, WORKER_KEPT,
};
use uuid::Uuid;

use super::column::millis;

/// Tasks whose time has come that one dispatch makes ready: a few milliseconds of work.
const DUE_PER_DISPATCH: u32 = 1_000;
/// Tasks that one dispatch gives their key: each needs a decision right after it.
const UNDECIDED_PER_DISPATCH: u32 = 100;
/// Limited batches that one dispatch looks at: each is a lock and a count.
const BATCHES_PER_DISPATCH: u32 = 200;
/// A dispatcher reads the whole index of ready tasks no more often than this.
const FULL_SCAN_EVERY: Duration = Duration::from_secs(10);
/// Workers in one answer of `live_workers`.
const LIVE_WORKERS: u32 = 10_000;
/// A memo's `used_at` is at most this much too old: fewer writes for a memo in daily use.
const MEMO_TOUCHED_EVERY: Duration = Duration::from_secs(3600);
/// A producer's clock may be this much ahead of the server's.
const CLOCK_AHEAD: Duration = Duration::from_secs(3600);

/// The settings of each function that looks into large tables. Its plans are made once, from no
/// statistics, and must be right for tables that are empty now and large in an hour: through an
/// index, and never in need of sorting more than they answer.
const PLANNER_SETTINGS: &str = "SET plan_cache_mode = force_generic_plan SET jit = off \
     SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off";

/// The value of each name.
pub fn bounds() -> Vec<(&'static str, String)> {
    let ms = |duration| millis(duration).to_string();
    vec![
        ("LEASE_MS", ms(LEASE)),
        ("UNFIT_PAUSE_MS", ms(UNFIT_PAUSE)),
        ("WORKER_ALIVE_MS", ms(WORKER_ALIVE)),
        ("WORKER_KEPT_MS", ms(WORKER_KEPT)),
        ("IDEMPOTENCY_KEPT_MS", ms(IDEMPOTENCY_KEPT)),
        ("COUNTED_BACKLOG", COUNTED_BACKLOG.to_string()),
        ("COUNTED_PLACES", COUNTED_PLACES.to_string()),
        ("LIST_SCAN", LIST_SCAN.to_string()),
        ("MAX_GROUP", MAX_GROUP.to_string()),
        ("DUE_PER_DISPATCH", DUE_PER_DISPATCH.to_string()),
        ("UNDECIDED_PER_DISPATCH", UNDECIDED_PER_DISPATCH.to_string()),
        ("BATCHES_PER_DISPATCH", BATCHES_PER_DISPATCH.to_string()),
        ("FULL_SCAN_EVERY_MS", ms(FULL_SCAN_EVERY)),
        ("LIVE_WORKERS", LIVE_WORKERS.to_string()),
        ("MEMO_TOUCHED_EVERY_MS", ms(MEMO_TOUCHED_EVERY)),
        ("CLOCK_STEP_MS", ms(CLOCK_STEP)),
        ("CLOCK_AHEAD_MS", ms(CLOCK_AHEAD)),
        ("NO_BATCH", Uuid::nil().to_string()),
        ("PLANNER_SETTINGS", PLANNER_SETTINGS.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::migrate::POSTGRES;

    /// The code of each function file, without comments.
    fn functions() -> impl Iterator<Item = (&'static str, String)> {
        let functions = POSTGRES.iter().filter(|(name, _)| name.starts_with("functions/"));
        functions.map(|(name, text)| {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("--"));
            (*name, code.collect::<Vec<_>>().join("\n"))
        })
    }

    #[test]
    fn every_bound_is_used_and_every_name_has_a_value() {
        let defined: BTreeSet<String> =
            bounds().into_iter().map(|(name, _)| name.to_owned()).collect();
        let mut used = BTreeSet::new();
        for (_, code) in functions() {
            for rest in code.split("{{").skip(1) {
                used.extend(rest.split_once("}}").map(|(name, _)| name.to_owned()));
            }
        }
        assert_eq!(used, defined);
    }

    #[test]
    fn no_literal_in_a_function_repeats_a_bound_and_so_a_changed_lease_is_changed_everywhere() {
        for (name, code) in functions() {
            let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
            let words: BTreeSet<&str> = words.collect();
            for (bound, value) in bounds() {
                // Smaller numbers are too common in other meanings, such as 1000 ms in a second.
                let repeated = value.len() > 4 && words.contains(value.as_str());
                assert!(!repeated, "{name} repeats {bound}: {value}");
            }
            let product = code.contains("* 3600") || code.contains("* 60 * 60");
            assert!(!product, "{name} computes a time that is a bound");
        }
    }
}
