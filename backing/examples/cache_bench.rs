//! How fast the caches are by themselves, and how often they hit over a replayed mix.
//!
//! ```sh
//! SPOOL_REDIS_URL=redis://… cargo run --release -p backing --example cache_bench
//! ```
//!
//! Prints JSON lines: gets and sets of L1 a second, from one task and from as many as there are
//! cores; gets of L2 from Redis, one after the other and 64 side by side, each of a value that L1
//! does not have; and what became of 1,000 requests whose keys repeat as people's do (Zipf: the key
//! of rank r is asked for 1/r as often as the first), of two processes that share a Redis. The mix
//! is printed with it, and is the same each time.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use backing::{
    cache::{Cache, CacheKey, CachedValue, ComputeError, Namespace},
    clock::SystemClock,
    view_cache::{
        local::LocalViewCache,
        redis::{RedisConfig, RedisViewCache},
    },
};
use common::{id::JobId, port::view_cache::ViewCache};
use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

/// Bytes of a typical reply of a provider.
const VALUE: usize = 2_000;
/// Fewer than L1's entries of a namespace, so that none is evicted.
const HOT: usize = 500;
const READS: usize = 2_000_000;
const WRITES: usize = 200_000;
const SHARED: usize = 20_000;
const REQUESTS: usize = 1_000;
const DISTINCT: usize = 300;

#[tokio::main]
async fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    show(local_reads(1).await);
    show(local_reads(cores).await);
    show(local_writes().await);
    let config = redis();
    show(shared_reads(&config, 1).await);
    show(shared_reads(&config, 64).await);
    show(mix(&config).await);
}

fn show(line: Value) {
    println!("{line}");
}

fn redis() -> RedisConfig {
    let url = std::env::var("SPOOL_REDIS_URL")
        .expect("SPOOL_REDIS_URL names a Redis: scripts/services up starts one");
    RedisConfig { prefix: format!("bench-{}", JobId::new()), ..RedisConfig::new(url) }
}

fn cache(view_cache: Arc<dyn ViewCache>) -> Cache {
    Cache::new(view_cache, Arc::new(SystemClock))
}

fn item(key: usize) -> CacheKey {
    CacheKey::new(Namespace::Text, [key.to_string().as_bytes()]).tagged("provider", "bench")
}

/// Text that compresses about as well as JSON.
fn value(key: usize) -> CachedValue {
    let words = (0..).map(|word| format!("{:x} ", (key * 7_919 + word * 104_729) % 65_536));
    let text: String = words
        .scan(0, |bytes, word| {
            (*bytes < VALUE).then(|| {
                *bytes += word.len();
                word
            })
        })
        .collect();
    CachedValue::new(text.into_bytes())
}

fn rate(count: usize, took: Duration) -> u64 {
    (count as f64 / took.as_secs_f64()) as u64
}

async fn local_reads(tasks: usize) -> Value {
    let cache = cache(Arc::new(LocalViewCache::new()));
    let items: Arc<Vec<CacheKey>> = Arc::new((0..HOT).map(item).collect());
    for (key, item) in items.iter().enumerate() {
        cache.put(item, value(key)).await;
    }
    let began = Instant::now();
    let readers = (0..tasks).map(|_| {
        let (cache, items) = (cache.clone(), Arc::clone(&items));
        tokio::spawn(async move {
            for read in 0..READS / tasks {
                assert!(cache.get(&items[read % HOT]).await.is_some());
            }
        })
    });
    futures::future::try_join_all(readers).await.unwrap();
    json!({"bench": "cache: L1 get", "tasks": tasks, "perSecond": rate(READS, began.elapsed())})
}

/// Writes into L1, and in the background to a view cache in process.
async fn local_writes() -> Value {
    let cache = cache(Arc::new(LocalViewCache::new()));
    let (items, made): (Vec<CacheKey>, Vec<CachedValue>) =
        (0..HOT).map(|key| (item(key), value(key))).unzip();
    let began = Instant::now();
    for write in 0..WRITES {
        cache.put(&items[write % HOT], made[write % HOT].clone()).await;
    }
    cache.flush().await;
    json!({"bench": "cache: L1 set", "tasks": 1, "perSecond": rate(WRITES, began.elapsed())})
}

async fn shared_reads(config: &RedisConfig, side_by_side: usize) -> Value {
    let view_cache: Arc<dyn ViewCache> = Arc::new(RedisViewCache::open(config).unwrap());
    let writer = cache(Arc::clone(&view_cache));
    for key in 0..SHARED {
        writer.put(&item(key), value(key)).await;
        if key % 200 == 0 {
            writer.flush().await;
        }
    }
    writer.flush().await;
    let reader = cache(view_cache);
    let began = Instant::now();
    let reads = stream::iter(0..SHARED).map(|key| {
        let reader = reader.clone();
        async move {
            let began = Instant::now();
            assert!(reader.get(&item(key)).await.is_some());
            began.elapsed()
        }
    });
    let mut took: Vec<Duration> = reads.buffer_unordered(side_by_side).collect().await;
    let per_second = rate(SHARED, began.elapsed());
    took.sort_unstable();
    let millis = |share: f64| {
        let at = ((took.len() - 1) as f64 * share) as usize;
        (took[at].as_secs_f64() * 1e5).round() / 100.0
    };
    json!({"bench": "cache: L2 get", "sideBySide": side_by_side, "perSecond": per_second,
        "ms": {"p50": millis(0.5), "p95": millis(0.95), "p99": millis(0.99)}})
}

/// Reads by two processes in turn, as behind a load balancer.
async fn mix(config: &RedisConfig) -> Value {
    let config = RedisConfig { prefix: format!("{}-mix", config.prefix), ..config.clone() };
    let open = || cache(Arc::new(RedisViewCache::open(&config).unwrap()));
    let processes = [open(), open()];
    let keys = keys();
    for (request, key) in keys.iter().enumerate() {
        let making = async { Ok::<CachedValue, ComputeError>(value(*key)) };
        processes[request % 2].get_or_compute(&item(*key), making).await.unwrap();
        processes[request % 2].flush().await;
    }
    let usage = processes.map(|cache| {
        cache.usage().remove(Namespace::ALL.iter().position(|n| *n == Namespace::Text).unwrap())
    });
    let sum =
        |read: fn(&backing::cache::NamespaceUsage) -> u64| usage.iter().map(read).sum::<u64>();
    let (l1, l2, made) = (sum(|u| u.local.hits), sum(|u| u.shared.hits), sum(|u| u.computed));
    let share = |count: u64| (count as f64 / REQUESTS as f64 * 1_000.0).round() / 1_000.0;
    let mut distinct = keys.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let most =
        (0..5).map(|key| keys.iter().filter(|asked| **asked == key).count()).collect::<Vec<_>>();
    let mix = json!({
        "requests": REQUESTS, "keys": DISTINCT, "distribution": "Zipf, s = 1", "seed": 1,
        "distinctAsked": distinct.len(), "timesOfTheFirstFive": most,
    });
    json!({"bench": "cache: hit rates", "mix": mix, "processes": 2,
        "l1": share(l1), "l2": share(l2), "computed": share(made), "hitRate": share(l1 + l2)})
}

/// The keys of the mix, drawn by rank from Zipf's distribution.
fn keys() -> Vec<usize> {
    let mut chance = StdRng::seed_from_u64(1);
    let total: f64 = (1..=DISTINCT).map(|rank| 1.0 / rank as f64).sum();
    let draw = |_| {
        let mut left = chance.random::<f64>() * total;
        (0..DISTINCT)
            .find(|key| {
                left -= 1.0 / (key + 1) as f64;
                left <= 0.0
            })
            .unwrap_or(DISTINCT - 1)
    };
    (0..REQUESTS).map(draw).collect()
}
