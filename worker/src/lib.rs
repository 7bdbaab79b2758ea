//! The worker: takes task messages, claims their tasks, runs them and settles them.
//!
//! `intake` receives and claims, `attempt` runs one task through its stages, `heartbeat` renews the
//! leases, `settle` writes the verdicts, and `kinds` has a file for each kind. A worker knows the
//! ports and not their adapters. A kind returns an outcome and cannot settle itself.
//!
//! # Embedding a worker
//!
//! A program that embeds a worker also runs as the media process, so its `main` begins with that
//! case. This one keeps everything in one folder. A worker of a fleet opens
//! `backing::store::postgres`, `backing::broker::rabbitmq`, `backing::view_cache::redis` and
//! `backing::artifacts` in their place.
//!
//! ```rust,standalone_crate
//! use std::{error::Error, path::Path, process::ExitCode, sync::Arc, time::Duration};
//!
//! use backing::{
//!     artifacts::folder::FolderArtifacts, broker::local::LocalBroker, cache::Cache,
//!     clock::SystemClock, store::sqlite::SqliteStore, view_cache::local::LocalViewCache,
//! };
//! use common::{kind::Catalog, limits::HEARTBEAT_EVERY, queue::Queue};
//! use tokio_util::sync::CancellationToken;
//! use worker::{
//!     Dependencies, MEDIA_PROCESS_ARGUMENT, Metrics, Reach, SandboxPolicy, Settings, Worker,
//!     providers,
//! };
//!
//! fn main() -> ExitCode {
//!     if std::env::args().nth(1).as_deref() == Some(MEDIA_PROCESS_ARGUMENT) {
//!         return media::media_process::main();
//!     }
//!     let stop = CancellationToken::new(); // To be cancelled by a signal.
//! #   let folder = tempfile::tempdir().unwrap();
//! #   std::env::set_current_dir(folder.path()).unwrap();
//! #   stop.cancel();
//!     let runtime = tokio::runtime::Runtime::new().expect("a runtime");
//!     match runtime.block_on(work(Path::new("."), stop)) {
//!         Ok(()) => ExitCode::SUCCESS,
//!         Err(error) => {
//!             eprintln!("{error}");
//! #           panic!();
//!             ExitCode::FAILURE
//!         }
//!     }
//! }
//!
//! async fn work(data: &Path, stop: CancellationToken) -> Result<(), Box<dyn Error>> {
//!     let view_cache = Arc::new(LocalViewCache::new());
//!     let providers = providers::Config::default(); // Offline: no service is called.
//!     let specs = providers::specs(&providers);
//!     let kinds = [common::kinds::ALL, composition::kinds::ALL, &specs];
//!     let dependencies = Dependencies {
//!         store: Arc::new(SqliteStore::open(&data.join("spool.db")).await?),
//!         broker: Arc::new(LocalBroker::new()),
//!         cache: Cache::new(view_cache.clone(), Arc::new(SystemClock)),
//!         view_cache,
//!         artifacts: Arc::new(FolderArtifacts::open(&data.join("artifacts"))?),
//!         catalog: Arc::new(Catalog::new(&kinds)),
//!     };
//!     let settings = Settings {
//!         name: "my worker".to_owned(),
//!         slots: vec![(Queue::Light, 4), (Queue::Generate, 4), (Queue::Render, 1)],
//!         grace: Duration::from_secs(30),
//!         heartbeat_every: HEARTBEAT_EVERY,
//!         program: std::env::current_exe()?,
//!         scratch: data.join("scratch"),
//!         sandbox: SandboxPolicy::Prefer,
//!         reach: Reach::default(),
//!         providers,
//!     };
//!     let metrics = Metrics::new(&prometheus::Registry::new())?;
//!     Worker::new(dependencies, settings, metrics)?.run(stop).await?;
//!     Ok(())
//! }
//! ```

mod artifact_files;
mod attempt;
mod context;
mod dependencies;
mod facts;
mod fetch;
mod heartbeat;
mod intake;
mod kinds;
mod leases;
mod media_process;
mod metrics;
mod progress;
pub mod providers;
mod settle;
mod slots;
mod stop;
mod worker;

pub use dependencies::Dependencies;
pub use fetch::{Fetcher, Reach};
pub use media::sandbox::SandboxPolicy;
pub use media_process::{MEDIA_PROCESS_ARGUMENT, check_sandbox};
pub use metrics::Metrics;
pub use worker::{Settings, Worker};
