//! The view caches under test. No other module of the suite knows an adapter.

use std::{sync::Arc, time::Duration};

use backing::view_cache::{
    local::LocalViewCache,
    redis::{RedisConfig, RedisViewCache},
};
use common::{id::JobId, port::view_cache::ViewCache};

pub async fn local() -> Arc<dyn ViewCache> {
    Arc::new(LocalViewCache::new())
}

pub async fn redis() -> Arc<dyn ViewCache> {
    Arc::new(RedisViewCache::open(&redis_config()).expect("the URL is good"))
}

/// Keys of one test on the shared server, which expire by themselves. The timeout is long, since
/// the answers are tested here, and a machine busy with other tests takes its time.
pub fn redis_config() -> RedisConfig {
    let url = std::env::var("SPOOL_REDIS_URL").expect(
        "SPOOL_REDIS_URL is not set: run scripts/test, or start servers with scripts/services up",
    );
    let prefix = format!("test-{}", JobId::new());
    RedisConfig { prefix, answer_within: Duration::from_secs(30), ..RedisConfig::new(url) }
}
