//! Copies the counts of the caches and the pools to `/metrics`. Labels are levels, namespaces and
//! pools: bounded, never ids.

use std::sync::Arc;

use backing::{
    cache::{Cache, disk::DiskCache},
    pools::Pooled,
};
use prometheus::{
    Error, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Reads the counts of a process's caches and pools whenever `/metrics` is read.
pub struct CacheMetrics {
    cache: Cache,
    pools: Vec<Arc<dyn Pooled>>,
    series: Series,
}

/// Reads the counts of a worker's disk cache.
pub struct DiskCacheMetrics {
    disk: Arc<DiskCache>,
    series: DiskSeries,
}

struct Series {
    hits: IntCounterVec,
    misses: IntCounterVec,
    events: IntCounterVec,
    entries: IntGaugeVec,
    bytes: IntGaugeVec,
    connections: IntGaugeVec,
    waiting: IntGaugeVec,
    limit: IntGaugeVec,
}

struct DiskSeries {
    reads: IntCounterVec,
    removed: IntCounterVec,
    held: IntGaugeVec,
}

impl CacheMetrics {
    /// Registers the metrics of these caches and pools.
    pub fn register(
        registry: &Registry,
        cache: Cache,
        pools: Vec<Arc<dyn Pooled>>,
    ) -> Result<(), Error> {
        registry.register(Box::new(Self { cache, pools, series: Series::new()? }))
    }

    fn read_caches(&self) {
        let series = &self.series;
        for usage in self.cache.usage() {
            let namespace = usage.namespace.as_str();
            for (level, reads) in [("l1", usage.local), ("l2", usage.shared)] {
                raise(&series.hits, &[level, namespace], reads.hits);
                raise(&series.misses, &[level, namespace], reads.misses);
            }
            let events = [
                ("computed", usage.computed),
                ("failed", usage.failed),
                ("waited", usage.waited),
                ("stale", usage.stale),
                ("l2_error", usage.shared_errors),
            ];
            for (event, count) in events {
                raise(&series.events, &[namespace, event], count);
            }
            set(&series.entries, &[namespace], usage.held.entries);
            set(&series.bytes, &[namespace], usage.held.bytes);
        }
        for (kind, memos) in self.cache.memo_hits().by_kind() {
            raise(&series.hits, &["l3", kind], memos.hits);
            raise(&series.misses, &["l3", kind], memos.misses);
        }
    }

    fn read_pools(&self) {
        for pool in self.pools.iter().flat_map(|pooled| pooled.pools()) {
            set(&self.series.connections, &[pool.pool, "in_use"], pool.in_use);
            set(&self.series.connections, &[pool.pool, "idle"], pool.idle);
            set(&self.series.waiting, &[pool.pool], pool.waiting);
            if let Some(limit) = pool.limit {
                set(&self.series.limit, &[pool.pool], limit);
            }
        }
    }
}

impl Series {
    fn new() -> Result<Self, Error> {
        let cache = ["level", "namespace"];
        Ok(Self {
            hits: counter(
                "spool_cache_hits_total",
                "Reads of a cache that found the value.",
                &cache,
            )?,
            misses: counter("spool_cache_misses_total", "Reads of a cache that did not.", &cache)?,
            events: counter(
                "spool_cache_events_total",
                "Values computed, computations failed, reads that waited for another's or got a \
                 stale value, reads that failed in L2.",
                &["namespace", "event"],
            )?,
            entries: gauge("spool_cache_entries", "Values in L1.", &["namespace"])?,
            bytes: gauge("spool_cache_bytes", "Bytes of the values in L1.", &["namespace"])?,
            connections: gauge(
                "spool_pool_connections",
                "Connections to a service, by use.",
                &["pool", "state"],
            )?,
            waiting: gauge("spool_pool_waiting", "Calls that wait for a connection.", &["pool"])?,
            limit: gauge("spool_pool_limit", "Connections to a service at most.", &["pool"])?,
        })
    }

    fn all(&self) -> [&dyn Collector; 8] {
        [
            &self.hits,
            &self.misses,
            &self.events,
            &self.entries,
            &self.bytes,
            &self.connections,
            &self.waiting,
            &self.limit,
        ]
    }
}

impl Collector for CacheMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.series.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.read_caches();
        self.read_pools();
        self.series.all().into_iter().flat_map(Collector::collect).collect()
    }
}

impl DiskCacheMetrics {
    /// Registers the metrics of a disk cache.
    pub fn register(registry: &Registry, disk: Arc<DiskCache>) -> Result<(), Error> {
        let series = DiskSeries {
            reads: counter(
                "spool_disk_cache_reads_total",
                "Reads of the disk cache, by outcome.",
                &["outcome"],
            )?,
            removed: counter(
                "spool_disk_cache_removed_total",
                "Files removed from it, by reason.",
                &["reason"],
            )?,
            held: gauge("spool_disk_cache", "Files and bytes it holds, and its limit.", &["what"])?,
        };
        registry.register(Box::new(Self { disk, series }))
    }
}

impl DiskSeries {
    fn all(&self) -> [&dyn Collector; 3] {
        [&self.reads, &self.removed, &self.held]
    }
}

impl Collector for DiskCacheMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.series.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (usage, series) = (self.disk.usage(), &self.series);
        raise(&series.reads, &["hit"], usage.hits);
        raise(&series.reads, &["miss"], usage.misses);
        raise(&series.removed, &["evicted"], usage.evicted);
        raise(&series.removed, &["corrupt"], usage.corrupt);
        for (what, value) in
            [("files", usage.entries), ("bytes", usage.bytes), ("limit_bytes", usage.limit)]
        {
            set(&series.held, &[what], value);
        }
        series.all().into_iter().flat_map(Collector::collect).collect()
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

/// Raises a counter to a total that was counted elsewhere.
fn raise(counters: &IntCounterVec, labels: &[&str], counted: u64) {
    let counter = counters.with_label_values(labels);
    counter.inc_by(counted.saturating_sub(counter.get()));
}

fn set(gauges: &IntGaugeVec, labels: &[&str], value: u64) {
    gauges.with_label_values(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use backing::{
        cache::{CacheKey, CachedValue, Namespace},
        clock::SystemClock,
        pools::PoolUse,
        view_cache::local::LocalViewCache,
    };
    use prometheus::TextEncoder;

    use super::*;

    struct Pool;

    impl Pooled for Pool {
        fn pools(&self) -> Vec<PoolUse> {
            vec![PoolUse { pool: "test", in_use: 3, idle: 2, waiting: 1, limit: Some(5) }]
        }
    }

    #[tokio::test]
    async fn metrics_show_what_was_counted_however_often_they_are_read() {
        let cache = Cache::new(Arc::new(LocalViewCache::new()), Arc::new(SystemClock));
        let registry = Registry::new();
        CacheMetrics::register(&registry, cache.clone(), vec![Arc::new(Pool)]).expect("registers");
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DiskCache::open(folder.path(), 9, Arc::new(SystemClock)).expect("opens");
        DiskCacheMetrics::register(&registry, Arc::new(disk)).expect("registers");
        let item = CacheKey::new(Namespace::Text, [b"key".as_slice()]);
        cache.put(&item, CachedValue::new("value")).await;
        for reads in 1..=3 {
            cache.get(&item).await;
            let text = TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
            for line in [
                &format!(r#"spool_cache_hits_total{{level="l1",namespace="text"}} {reads}"#),
                r#"spool_cache_entries{namespace="text"} 1"#,
                r#"spool_cache_bytes{namespace="text"} 5"#,
                r#"spool_pool_connections{pool="test",state="in_use"} 3"#,
                r#"spool_pool_waiting{pool="test"} 1"#,
                r#"spool_disk_cache{what="limit_bytes"} 9"#,
            ] {
                assert!(text.contains(line), "{line} is not in\n{text}");
            }
        }
    }
}
