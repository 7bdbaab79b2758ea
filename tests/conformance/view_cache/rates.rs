//! Rates of views. A measurement, run by hand: `cargo nextest run -p backing --run-ignored only
//! --no-capture rates`.

use std::time::Instant;

use backing::view_cache::redis::RedisViewCache;
use common::{limits::MAX_GROUP, port::view_cache::ViewCache, view::JobView};

use super::{
    adapters::redis_config,
    fixture::{finished, tenant, view},
};

const ROUNDS: usize = 40;
/// Lowest rate a second. Far below that of any machine (debug build, two busy cores): a lower one
/// means that batching is broken.
const LOWEST_RATE: f64 = 2_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rates_of_views() {
    let view_cache = RedisViewCache::open(&redis_config()).unwrap();
    view_cache.check().await.unwrap();
    let batches: Vec<Vec<JobView>> =
        (0..ROUNDS).map(|_| (0..MAX_GROUP).map(|_| finished(&view(1))).collect()).collect();
    let views = (ROUNDS * MAX_GROUP) as f64;
    let started = Instant::now();
    for batch in &batches {
        view_cache.put(batch).await.unwrap();
    }
    let put = views / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for batch in &batches {
        let ids: Vec<_> = batch.iter().map(|view| view.id).collect();
        assert!(view_cache.get(&tenant(), &ids).await.unwrap().iter().all(Option::is_some));
    }
    let got = views / started.elapsed().as_secs_f64();
    println!("Redis: {put:.0} views/s put, {got:.0} views/s got, in batches of {MAX_GROUP}");
    assert!(put > LOWEST_RATE && got > LOWEST_RATE);
}
