//! The view cache of a fleet: Redis 6 or later, which may lose all of it at any time.
//!
//! Views are written in batches by a script that compares ranks, so that of two writers the newer wins whichever comes last. Nothing
//! here waits long for Redis: the store knows everything the view cache knows.

mod breaker;
mod changes;
mod codec;
mod link;
mod names;
mod usage;
mod views;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    id::{JobId, TenantId},
    port::{
        PortError, PortResult,
        view_cache::{ChangeStream, ViewCache, ViewCacheUsage},
    },
    view::JobView,
};

use changes::RedisChanges;
use link::Link;
use names::Names;

use crate::pools::{PoolUse, Pooled};

const PART: &str = "Redis";
/// An answer takes under a millisecond; past this the store is the quicker way.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Where Redis is and how it is used.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:6379/0`, or `unix:///path`.
    pub url: String,
    /// Starts every key and channel; installations that share a Redis differ in it. For a Redis Cluster it must hold a hash tag, such as
    /// `{spool}`, since a batch of views is one script.
    pub prefix: String,
    /// A question that is not answered within this time, and a subscription that is not there by then, costs its connection.
    pub answer_within: Duration,
}

impl RedisConfig {
    /// The defaults for a Redis at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), prefix: "spool".to_owned(), answer_within: ANSWER_WITHIN }
    }
}

/// A view cache in Redis.
#[derive(Debug)]
pub struct RedisViewCache {
    link: Link,
    names: Names,
    answer_within: Duration,
}

impl RedisViewCache {
    /// Reads the configuration and connects to nothing yet: [`ViewCache::check`] says whether Redis can be reached.
    pub fn open(config: &RedisConfig) -> PortResult<Self> {
        let client = redis::Client::open(config.url.as_str()).map_err(|error| {
            // The error says what is wrong and never quotes the URL, which may hold a password.
            PortError::broken(
                PART,
                format!("its URL is wrong ({error}): write redis://user:password@host:6379/0"),
            )
        })?;
        let answer_within = config.answer_within;
        Ok(Self {
            link: Link::new(client, answer_within),
            names: Names::new(&config.prefix),
            answer_within,
        })
    }
}

impl Pooled for RedisViewCache {
    /// All questions share one connection, so nobody waits for it and there is no limit to set.
    fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse {
            pool: "redis",
            in_use: self.link.under_way(),
            idle: 0,
            waiting: 0,
            limit: None,
        }]
    }
}

#[async_trait]
impl ViewCache for RedisViewCache {
    async fn put(&self, views: &[JobView]) -> PortResult<()> {
        let Some(pipeline) = views::putting(&self.names, views) else { return Ok(()) };
        self.link
            .ask(async |mut connection| pipeline.query_async::<()>(&mut connection).await)
            .await
    }

    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let command = views::getting(&self.names, tenant, jobs);
        let values: Vec<Option<Vec<u8>>> = self
            .link
            .ask(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        Ok(values.iter().map(|value| value.as_deref().and_then(views::read)).collect())
    }

    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let command = views::forgetting(&self.names, tenant, jobs);
        self.link.ask(async |mut connection| command.query_async::<()>(&mut connection).await).await
    }

    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>> {
        let client = self.link.client().clone();
        Ok(Box::new(
            RedisChanges::subscribe(client, self.names.changes(), self.answer_within).await,
        ))
    }

    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        let command = redis::Cmd::get(self.names.value(key));
        let value: Option<Vec<u8>> = self
            .link
            .ask(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        Ok(value.and_then(|value| codec::unpack(&value)).map(Bytes::from))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let command =
            redis::Cmd::pset_ex(self.names.value(key), codec::pack(Vec::new(), &value), ttl_ms);
        self.link.ask(async |mut connection| command.query_async::<()>(&mut connection).await).await
    }

    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        let mut questions = redis::pipe();
        questions.cmd("INFO").arg("memory").cmd("INFO").arg("stats").cmd("DBSIZE");
        let (memory, stats, entries): (String, String, u64) = self
            .link
            .ask(async |mut connection| questions.query_async(&mut connection).await)
            .await?;
        Ok(ViewCacheUsage {
            entries,
            under_way: self.link.under_way(),
            ..usage::read(&memory, &stats)
        })
    }

    async fn check(&self) -> PortResult<()> {
        let command = redis::cmd("PING");
        self.link.ask(async |mut connection| command.query_async::<()>(&mut connection).await).await
    }
}
