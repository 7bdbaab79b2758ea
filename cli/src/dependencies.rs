//! The wiring: chooses the adapter of each port. No other file does.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use backing::{
    artifacts::{self, cached, folder::FolderArtifacts, missing::forget_memos_of_missing},
    broker::{
        local::LocalBroker,
        rabbitmq::{QueueType, RabbitMqBroker, RabbitMqConfig},
    },
    cache::{Cache, disk::DiskCache},
    clock::SystemClock,
    pools::Pooled,
    store::{
        postgres::{self, PgOptions, PgStore},
        sqlite::SqliteStore,
    },
    view_cache::{
        persistent::PersistentViewCache,
        redis::{RedisConfig, RedisViewCache},
    },
};
use common::{
    kind::{Catalog, KindSpec},
    kinds,
    limits::{COUNTED_BACKLOG, HEARTBEAT_EVERY},
    port::{artifacts::Artifacts, broker::Broker, view_cache::ViewCache},
    queue::Queue,
    store::Store,
};
use media::sandbox::private_folder;
use producer::Producer;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use worker::{Reach, Worker};

use crate::{
    config::Config,
    exit::Failure,
    input::full_path,
    metrics::{CacheMetrics, DiskCacheMetrics},
    rlimits,
};

/// The adapters of one process.
#[derive(Clone)]
pub struct Dependencies {
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    pub view_cache: Arc<dyn ViewCache>,
    pub artifacts: Arc<dyn Artifacts>,
    pub cache: Cache,
    /// A copy of artifacts on the local disk, where the artifacts themselves are on another file
    /// system.
    pub disk: Option<Arc<DiskCache>>,
    /// The metrics that `/metrics` shows.
    pub registry: Registry,
}

impl Dependencies {
    /// Opens the embedded adapters, with all data in one folder.
    pub async fn embedded(config: &Config, data: &Path, locked: bool) -> Result<Self, Failure> {
        for folder in [data, &data.join("artifacts"), &data.join("remembered")] {
            make_folder(folder)?;
        }
        let view_cache: Arc<dyn ViewCache> =
            Arc::new(PersistentViewCache::open(data.join("remembered")));
        let (cache, registry) = cached(config, &view_cache, Vec::new())?;
        let store = SqliteStore::open(&data.join("spool.db")).await?;
        if locked {
            store.end_leases().await?;
        }
        let artifacts = FolderArtifacts::open(&data.join("artifacts"))?;
        // Files may have been deleted by hand. A fleet's sweeper looks for that while it runs.
        for first in 0..=u8::MAX {
            forget_memos_of_missing(&store, &artifacts, first).await?;
        }
        Ok(Self {
            store: Arc::new(store),
            broker: Arc::new(LocalBroker::new()),
            view_cache,
            artifacts: Arc::new(artifacts),
            cache,
            disk: None,
            registry,
        })
    }

    /// Connects to the PostgreSQL, RabbitMQ, Redis and artifact storage that the configuration
    /// names. PostgreSQL and the artifacts must be there; RabbitMQ and Redis may come later.
    pub async fn production(config: &Config, name: &str) -> Result<Self, Failure> {
        for (value, key) in needed(config) {
            config.required(value, key)?;
        }
        let (store, broker, redis) = (store(config).await?, broker(config, name)?, redis(config)?);
        let pools: Vec<Arc<dyn Pooled>> = vec![store.clone(), broker.clone(), redis.clone()];
        let view_cache: Arc<dyn ViewCache> = redis;
        let (cache, registry) = cached(config, &view_cache, pools)?;
        Ok(Self {
            store,
            broker,
            view_cache,
            artifacts: files(config)?,
            cache,
            disk: None,
            registry,
        })
    }

    /// Caches artifacts that a worker fetched or made on the local disk, where the artifacts are on
    /// another file system than `scratch`.
    pub fn with_disk_cache(mut self, config: &Config, scratch: &Path) -> Result<Self, Failure> {
        if config.disk_cache_bytes == 0 {
            return Ok(self);
        }
        // Beside the scratch folder, the cache is on the same file system, so that files are linked
        // and not copied. A folder that the operator did not name may be one that others prepared.
        let beside = scratch.with_file_name("spool-disk-cache");
        let (folder, usable) = match &config.disk_cache {
            Some(folder) => (folder, Ok(())),
            None => (&beside, private_folder(&beside)),
        };
        let clock = Arc::new(SystemClock);
        let opened = usable.and_then(|()| DiskCache::open(folder, config.disk_cache_bytes, clock));
        let disk = opened.map_err(|error| {
            let folder = folder.display();
            Failure::Configuration(format!(
                "the disk cache {folder} can't be used: {error}; name another with disk_cache, or \
                 set disk_cache_bytes = 0"
            ))
        })?;
        (self.artifacts, self.disk) = cached::open(self.artifacts, Arc::new(disk));
        if let Some(disk) = &self.disk {
            DiskCacheMetrics::register(&self.registry, disk.clone()).map_err(metric_error)?;
        }
        Ok(self)
    }

    /// Builds a producer on these dependencies. It starts nothing.
    pub fn producer(
        &self,
        config: &Config,
        catalog: Arc<Catalog>,
        stop: CancellationToken,
    ) -> Result<Producer, Failure> {
        let days = |days: u64| Duration::from_secs(days.saturating_mul(24 * 3600));
        let dependencies = producer::ProducerDependencies {
            store: self.store.clone(),
            broker: self.broker.clone(),
            view_cache: self.view_cache.clone(),
            artifacts: self.artifacts.clone(),
            cache: self.cache.clone(),
            clock: Arc::new(SystemClock),
            catalog,
            registry: self.registry.clone(),
        };
        let settings = producer::ProducerSettings {
            public_url: config.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            max_backlog: max_backlog(config)?,
            quarantine_after: config.quarantine_after,
            compression_level: compression_level(config)?,
            compression_bytes: config.compression_bytes,
            keep_jobs: days(config.keep_jobs_days),
            keep_memos: days(config.keep_memos_days),
            keep_artifacts: Duration::from_secs(
                config.keep_artifacts_hours.max(1).saturating_mul(3600),
            ),
            max_connections: rlimits::connections(),
            grace: Duration::from_secs(config.grace_seconds),
        };
        let metrics = producer::ProducerMetrics::new(&self.registry).map_err(metric_error)?;
        Ok(Producer::new(dependencies, settings, metrics, stop))
    }

    /// Builds a worker on these dependencies. It starts nothing.
    pub fn worker(
        &self,
        catalog: Arc<Catalog>,
        settings: worker::Settings,
    ) -> Result<Worker, Failure> {
        let dependencies = worker::Dependencies {
            store: self.store.clone(),
            broker: self.broker.clone(),
            view_cache: self.view_cache.clone(),
            artifacts: self.artifacts.clone(),
            cache: self.cache.clone(),
            catalog,
        };
        let metrics = worker::Metrics::new(&self.registry).map_err(metric_error)?;
        Ok(Worker::new(dependencies, settings, metrics)?)
    }
}

/// Checks that the configuration names every part of a fleet.
pub fn needed(config: &Config) -> [(&Option<String>, &'static str); 4] {
    [
        (&config.database_url, "database_url"),
        (&config.amqp_url, "amqp_url"),
        (&config.redis_url, "redis_url"),
        (&config.artifacts_url, "artifacts_url"),
    ]
}

/// Connects to PostgreSQL, which must be there.
pub async fn store(config: &Config) -> Result<Arc<PgStore>, Failure> {
    let url = config.required(&config.database_url, "database_url")?;
    let options =
        PgOptions { connections: config.database_connections.max(1), ..PgOptions::default() };
    Ok(Arc::new(postgres::connect(url, options).await?))
}

/// Connects to RabbitMQ, which may come later.
pub fn broker(config: &Config, name: &str) -> Result<Arc<RabbitMqBroker>, Failure> {
    let url = config.required(&config.amqp_url, "amqp_url")?;
    Ok(Arc::new(RabbitMqBroker::open(&broker_config(config, url, name))?))
}

/// Connects to Redis, which may come later.
pub fn redis(config: &Config) -> Result<Arc<RedisViewCache>, Failure> {
    let url = config.required(&config.redis_url, "redis_url")?;
    Ok(Arc::new(RedisViewCache::open(&RedisConfig {
        prefix: config.namespace.clone(),
        ..RedisConfig::new(url)
    })?))
}

/// Opens the artifact storage.
pub fn files(config: &Config) -> Result<Arc<dyn Artifacts>, Failure> {
    Ok(artifacts::open(config.required(&config.artifacts_url, "artifacts_url")?)?)
}

/// Builds the cache over a view cache, and a registry that shows the cache and the connection
/// pools.
fn cached(
    config: &Config,
    view_cache: &Arc<dyn ViewCache>,
    pools: Vec<Arc<dyn Pooled>>,
) -> Result<(Cache, Registry), Failure> {
    let cache = Cache::with(view_cache.clone(), Arc::new(SystemClock), config.cache.clone());
    let registry = Registry::new();
    CacheMetrics::register(&registry, cache.clone(), pools).map_err(metric_error)?;
    Ok((cache, registry))
}

fn metric_error(error: prometheus::Error) -> Failure {
    Failure::Failed(format!("a metric can't be registered: {error}"))
}

/// Returns the bound on waiting tasks. A bound above what is counted would never hold, so it is
/// refused.
fn max_backlog(config: &Config) -> Result<u64, Failure> {
    match config.max_backlog {
        Some(bound) if bound >= COUNTED_BACKLOG => Err(Failure::Configuration(format!(
            "max_backlog = {bound} is too much: waiting tasks are counted up to \
             {COUNTED_BACKLOG}, so give less, or leave it out for no bound"
        ))),
        Some(bound) => Ok(bound),
        None => Ok(u64::MAX),
    }
}

/// Returns the level of compression, which gzip and zstd both know.
fn compression_level(config: &Config) -> Result<u8, Failure> {
    match config.compression_level {
        level @ 0..=9 => Ok(level),
        level => Err(Failure::Configuration(format!(
            "compression_level = {level} is too much: give 1 (fastest) to 9, or 0 for none"
        ))),
    }
}

/// Builds RabbitMQ's settings from the configuration.
pub fn broker_config(config: &Config, url: &str, name: &str) -> RabbitMqConfig {
    RabbitMqConfig {
        prefix: config.namespace.clone(),
        queues: if config.classic_queues { QueueType::Classic } else { QueueType::Quorum },
        publishers: config.amqp_publishers.max(1) as usize,
        name: name.to_owned(),
        ..RabbitMqConfig::new(url)
    }
}

/// Lists the kinds of this process. The version of a kind that asks providers is a hash of the
/// providers' settings, so its keys change with them.
pub fn catalog(echo: bool, config: &Config) -> Arc<Catalog> {
    let echo: &[KindSpec] = if echo { &[kinds::echo::SPEC] } else { &[] };
    let generated = worker::providers::specs(&config.providers);
    Arc::new(Catalog::new(&[kinds::ALL, composition::kinds::ALL, &generated, echo]))
}

/// Builds a worker's settings. `allow` adds to the configured folders; `scratch` gives the scratch
/// folder where the configuration names none.
pub fn worker_settings(
    config: &Config,
    slots: Vec<(Queue, u32)>,
    allow: &[PathBuf],
    scratch: impl FnOnce() -> Result<PathBuf, Failure>,
) -> Result<worker::Settings, Failure> {
    let program = own_program()?;
    let allow: Vec<PathBuf> = config.allow.iter().chain(allow).cloned().collect();
    if let Some(missing) = allow.iter().find(|folder| !folder.is_dir()) {
        return Err(Failure::Configuration(format!(
            "`{}`, whose files are to be sources, is not a folder: name one that exists with \
             --allow, `allow` or SPOOL_ALLOW",
            full_path(missing)
        )));
    }
    Ok(worker::Settings {
        name: format!("{}:{}", host_name(), std::process::id()),
        slots,
        grace: Duration::from_secs(config.grace_seconds),
        heartbeat_every: HEARTBEAT_EVERY,
        program,
        scratch: match &config.scratch {
            // The operator may name a link; what it leads to is the folder that must be private.
            Some(folder) => folder.canonicalize().unwrap_or_else(|_| folder.clone()),
            None => scratch()?,
        },
        sandbox: config.sandbox,
        providers: config.providers.clone(),
        reach: Reach { allow, private_addresses: config.private_sources, ..Reach::default() },
    })
}

/// Path of this binary, which is started again as the media process.
pub fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::Failed(format!("the path of this program can't be found: {error}"))
    })
}

/// Name of this machine.
pub fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "worker".to_owned(), |name| name.trim().to_owned())
}

/// Creates a data folder, which only this user may enter. One that exists keeps its mode.
pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    private_folder(folder).map_err(|error| {
        Failure::Configuration(format!(
            "the folder {} can't be made: {error}; name another",
            folder.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_would_never_hold_is_refused() {
        let bound = |max_backlog| max_backlog_of(max_backlog).ok();
        assert_eq!(
            [None, Some(5), Some(COUNTED_BACKLOG)].map(bound),
            [Some(u64::MAX), Some(5), None]
        );
    }

    fn max_backlog_of(bound: Option<u64>) -> Result<u64, Failure> {
        max_backlog(&Config { max_backlog: bound, ..Config::default() })
    }
}
