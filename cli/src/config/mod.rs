//! Configuration: one TOML file, in which one `SPOOL_…` variable overrides each key.
//!
//! It is read once, whole, before anything starts. An unknown key in the file is an error, since a
//! misspelled setting must not be ignored; an unknown variable is a warning, since other tools may
//! use the prefix.

mod variables;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use backing::cache::CacheSettings;
use serde::Deserialize;
use toml::Table;

use self::variables::variable;
use crate::{exit::Failure, input::full_path};

/// The file's keys. Each is also read from `SPOOL_` and its name in capitals.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// PostgreSQL: `postgres://user:password@host:5432/database`.
    pub database_url: Option<String>,
    /// RabbitMQ: `amqp://user:password@host:5672/%2f`; of a cluster
    /// `amqp://user:password@one:5672,two:5672,three:5672/%2f`.
    pub amqp_url: Option<String>,
    /// Redis: `redis://host:6379/0`.
    pub redis_url: Option<String>,
    /// Artifacts: `file:///srv/spool/artifacts`.
    pub artifacts_url: Option<String>,
    /// URL prefix of `/v1/artifacts/…` in results, where it differs from the address that was
    /// called.
    pub public_url: Option<String>,
    /// Offers the kind `echo`; `spool dev` always does.
    pub echo: bool,
    /// Lost workers after which a task fails as poison.
    pub quarantine_after: u16,
    /// Seconds that running attempts get to finish when a worker is asked to stop.
    pub grace_seconds: u64,
    /// Folder for workers' scratch folders; by default in the system's temporary folder.
    pub scratch: Option<PathBuf>,
    /// `prefer`: media processes work without the layers of the sandbox that the machine lacks.
    /// `require`: workers refuse to start.
    pub sandbox: worker::SandboxPolicy,
    /// Folders whose files may be sources (in the variable: separated by `:`).
    pub allow: Vec<PathBuf>,
    /// Allows sources from private and loopback addresses.
    pub private_sources: bool,
    /// Waiting tasks in a queue beyond which submits are answered with 503; under
    /// [`common::limits::COUNTED_BACKLOG`], unbounded by default.
    pub max_backlog: Option<u64>,
    /// Days that final jobs are kept.
    pub keep_jobs_days: u64,
    /// Days that unused memos are kept.
    pub keep_memos_days: u64,
    /// Hours that an artifact is kept after the last memo or job that refers to it is gone; at
    /// least 1.
    pub keep_artifacts_hours: u64,
    /// Classic durable queues instead of quorum queues, for a single broker node.
    pub classic_queues: bool,
    /// PostgreSQL connections of one process; heartbeats have two more.
    pub database_connections: u32,
    /// RabbitMQ connections that one process publishes on: the number of publishes under way at
    /// once.
    pub amqp_publishers: u32,
    /// Folder for local copies of artifacts that a worker fetched or made, if the artifacts are on
    /// another file system; by default beside its scratch folder.
    pub disk_cache: Option<PathBuf>,
    /// The most bytes of local copies; 0 turns them off.
    pub disk_cache_bytes: u64,
    /// The caches, by namespace: `[cache.text]`, `[cache.media]`, `[cache.metadata]` and
    /// `[cache.outside]`. Variables: `SPOOL_CACHE_TEXT_BYTES` and so on.
    pub cache: CacheSettings,
    /// Strength of the compression of JSON answers, from 1 (fastest) to 9; 0 for none.
    pub compression_level: u8,
    /// Bytes from which answers are compressed.
    pub compression_bytes: u64,
    /// Prefix of exchange, queue and Redis key names, so that several fleets can share servers.
    pub namespace: String,
    /// Providers of text, speech, images and transcription: `[providers]`, and
    /// `[providers.services.NAME]` for each service. Variables:
    /// `SPOOL_PROVIDERS_TEXT=openai,offline` and so on, and `SPOOL_NAME_API_KEY`,
    /// `SPOOL_NAME_BASE_URL`, … for each service, and always for one named `openai`.
    pub providers: worker::providers::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: None,
            amqp_url: None,
            redis_url: None,
            artifacts_url: None,
            public_url: None,
            echo: false,
            quarantine_after: common::limits::QUARANTINE_AFTER,
            grace_seconds: 30,
            scratch: None,
            sandbox: worker::SandboxPolicy::default(),
            allow: Vec::new(),
            private_sources: false,
            max_backlog: None,
            keep_jobs_days: 30,
            keep_memos_days: 7,
            keep_artifacts_hours: 24,
            classic_queues: false,
            database_connections: 8,
            amqp_publishers: 2,
            disk_cache: None,
            disk_cache_bytes: backing::cache::disk::DEFAULT_LIMIT,
            cache: CacheSettings::default(),
            compression_level: 1,
            compression_bytes: 1024,
            namespace: "spool".to_owned(),
            providers: worker::providers::Config::default(),
        }
    }
}

impl Config {
    /// Reads the file (by default `spool.toml` in the current folder, if it is there) and this
    /// process's environment.
    ///
    /// Also returns a sentence for each variable that is ignored.
    pub fn read(file: Option<&Path>) -> Result<(Self, Vec<String>), Failure> {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("SPOOL_"))
            .collect();
        let table = match file {
            Some(path) => parse(path)?,
            None if Path::new("spool.toml").exists() => parse(Path::new("spool.toml"))?,
            None => Table::new(),
        };
        Self::from_parts(table, &variables)
    }

    fn from_parts(
        mut table: Table,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<String>), Failure> {
        let ignored = variables::override_file(&mut table, variables)?;
        let config: Self = serde_path_to_error::deserialize(table).map_err(|error| {
            let (place, message) = (error.path().to_string(), error.inner().message());
            Failure::Configuration(match place.as_str() {
                "." => format!("configuration: {message}"),
                secret if secret.ends_with(".api_key") => {
                    format!(
                        "configuration: `{secret}` is not a text in quotes (its value is not shown)"
                    )
                }
                place => format!("configuration: `{place}`: {message}"),
            })
        })?;
        let checked = config.providers.check().map_err(|fault| fault.to_string());
        checked
            .and_then(|()| config.cache.check())
            .map_err(|fault| Failure::Configuration(format!("configuration: {fault}")))?;
        Ok((config, ignored))
    }

    /// Returns a URL that must be set, or an error that names its key and variable.
    pub fn required<'a>(&self, value: &'a Option<String>, key: &str) -> Result<&'a str, Failure> {
        let missing = || {
            Failure::Configuration(format!(
                "`{key}` is not set: put it in spool.toml, or set {}",
                variable(key)
            ))
        };
        value.as_deref().filter(|value| !value.is_empty()).ok_or_else(missing)
    }
}

fn parse(path: &Path) -> Result<Table, Failure> {
    let shown = full_path(path);
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Configuration(format!("{shown} can't be read: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| {
        // The error's own text shows the line, which may hold a key.
        let line = error
            .span()
            .map_or(0, |span| text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        Failure::Configuration(format!("{shown}, line {}: {}", line + 1, error.message().trim()))
    })
}

#[cfg(test)]
mod tests;
