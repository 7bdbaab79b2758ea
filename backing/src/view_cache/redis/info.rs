//! Reads Redis's `INFO`: lines of `name:value`.

use common::port::view_cache::ViewCacheUsage;

/// Reads the sections `memory` and `stats`. A missing value is zero or unknown.
pub(super) fn usage(memory: &str, stats: &str) -> ViewCacheUsage {
    ViewCacheUsage {
        bytes: number(memory, "used_memory").unwrap_or_default(),
        // Redis writes zero if there is no bound.
        limit: number(memory, "maxmemory").filter(|bytes| *bytes > 0),
        evicted: number(stats, "evicted_keys").unwrap_or_default(),
        hits: number(stats, "keyspace_hits"),
        misses: number(stats, "keyspace_misses"),
        ..ViewCacheUsage::default()
    }
}

fn number(section: &str, name: &str) -> Option<u64> {
    section.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let memory = "# Memory\r\nused_memory_human:2M\r\nused_memory:2097152\r\nmaxmemory:0\r\n";
        let stats = "# Stats\r\nkeyspace_hits:5\r\nkeyspace_misses:1\r\nevicted_keys:3\r\n";
        let expected = ViewCacheUsage {
            bytes: 2_097_152,
            evicted: 3,
            hits: Some(5),
            misses: Some(1),
            ..ViewCacheUsage::default()
        };
        assert_eq!(usage(memory, stats), expected);
        assert_eq!(usage("maxmemory:9", "").limit, Some(9));
    }
}
