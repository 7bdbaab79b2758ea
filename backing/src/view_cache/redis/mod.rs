//! The view cache of a fleet: Redis 6 or later, which may lose all of it at any time.
//!
//! Views are written in batches by a script that compares ranks, so that the newer of two views
//! wins in whatever order they come. No call waits long for Redis: the store has everything that
//! the view cache has.

mod breaker;
mod changes;
mod codec;
mod connection;
mod info;
mod names;
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
use connection::{PART, RedisConnection};
use names::RedisNames;

use crate::pools::{PoolUse, Pooled};

/// Longest wait for an answer. It takes under a millisecond; past this bound the store is faster.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Address of Redis, and how it is used.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://user:password@host:6379/0`, or `unix:///path`.
    pub url: String,
    /// First part of every key and channel. Installations that share a Redis differ in it. For a
    /// Redis Cluster it must hold a hash tag, such as `{spool}`, since a batch of views is one
    /// script.
    pub prefix: String,
    /// Longest wait for an answer or a subscription; past it the connection is dropped.
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
    connection: RedisConnection,
    names: RedisNames,
    answer_within: Duration,
}

impl RedisViewCache {
    /// Reads the configuration without connecting: [`ViewCache::check`] reports whether Redis can
    /// be reached.
    pub fn open(config: &RedisConfig) -> PortResult<Self> {
        let client = redis::Client::open(config.url.as_str()).map_err(|error| {
            // The error never quotes the URL, which may hold a password.
            PortError::broken(
                PART,
                format!("its URL is wrong ({error}): write redis://user:password@host:6379/0"),
            )
        })?;
        let answer_within = config.answer_within;
        Ok(Self {
            connection: RedisConnection::new(client, answer_within),
            names: RedisNames::new(&config.prefix),
            answer_within,
        })
    }
}

impl Pooled for RedisViewCache {
    /// All queries share one connection, so none waits for it and there is no limit.
    fn pools(&self) -> Vec<PoolUse> {
        vec![PoolUse {
            pool: "redis",
            in_use: self.connection.under_way(),
            idle: 0,
            waiting: 0,
            limit: None,
        }]
    }
}

#[async_trait]
impl ViewCache for RedisViewCache {
    async fn put(&self, views: &[JobView]) -> PortResult<()> {
        let Some(pipeline) = views::put(&self.names, views) else { return Ok(()) };
        self.connection
            .query(async |mut connection| pipeline.query_async::<()>(&mut connection).await)
            .await
    }

    async fn get(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<Vec<Option<JobView>>> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let command = views::get(&self.names, tenant, jobs);
        let values: Vec<Option<Vec<u8>>> = self
            .connection
            .query(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        Ok(values.iter().map(|value| value.as_deref().and_then(views::read)).collect())
    }

    async fn forget(&self, tenant: &TenantId, jobs: &[JobId]) -> PortResult<()> {
        if jobs.is_empty() {
            return Ok(());
        }
        let command = views::forget(&self.names, tenant, jobs);
        self.connection
            .query(async |mut connection| command.query_async::<()>(&mut connection).await)
            .await
    }

    async fn changes(&self) -> PortResult<Box<dyn ChangeStream>> {
        let client = self.connection.client().clone();
        Ok(Box::new(
            RedisChanges::subscribe(client, self.names.changes(), self.answer_within).await,
        ))
    }

    async fn cached(&self, key: &str) -> PortResult<Option<Bytes>> {
        let command = redis::Cmd::get(self.names.value(key));
        let value: Option<Vec<u8>> = self
            .connection
            .query(async |mut connection| command.query_async(&mut connection).await)
            .await?;
        Ok(value.and_then(|value| codec::unpack(&value)).map(Bytes::from))
    }

    async fn cache(&self, key: &str, value: Bytes, ttl: Duration) -> PortResult<()> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let command =
            redis::Cmd::pset_ex(self.names.value(key), codec::pack(Vec::new(), &value), ttl_ms);
        self.connection
            .query(async |mut connection| command.query_async::<()>(&mut connection).await)
            .await
    }

    async fn usage(&self) -> PortResult<ViewCacheUsage> {
        let mut commands = redis::pipe();
        commands.cmd("INFO").arg("memory").cmd("INFO").arg("stats").cmd("DBSIZE");
        let (memory, stats, entries): (String, String, u64) = self
            .connection
            .query(async |mut connection| commands.query_async(&mut connection).await)
            .await?;
        Ok(ViewCacheUsage {
            entries,
            under_way: self.connection.under_way(),
            ..info::usage(&memory, &stats)
        })
    }

    async fn check(&self) -> PortResult<()> {
        let commands = views::check(&self.names);
        self.connection
            .query(async |mut connection| commands.query_async::<()>(&mut connection).await)
            .await
    }
}
