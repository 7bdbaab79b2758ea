//! `dev`: everything in one process, with all data in one folder.

use std::{
    fs::File,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    dependencies::{Dependencies, catalog, make_folder, worker_settings},
    exit::{CommandResult, Failure},
    options::SlotArgs,
    signals,
};

/// Options of `dev`.
#[derive(Debug, Args)]
pub struct Dev {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// The folder for all data; created if it is missing.
    #[arg(long, default_value = "spool-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Lets sources be local files below this folder (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    #[command(flatten)]
    pub slots: SlotArgs,
}

/// Runs until a signal.
pub async fn run(options: Dev, config: Config) -> CommandResult {
    let stop = signals::stop_on_signals()?;
    let _lock = lock(&options.data)?;
    let listener = listen(options.listen).await?;
    let opening = Dependencies::embedded(&config, &options.data, true);
    let Some(dependencies) = stop.run_until_cancelled(opening).await.transpose()? else {
        return Ok(());
    };
    let catalog = catalog(true, &config);
    let settings = worker_settings(&config, options.slots.by_queue(), &options.allow, || {
        Ok(options.data.join("scratch"))
    })?;
    let drained = CancellationToken::new();
    let producer = dependencies.producer(&config, catalog.clone(), drained.clone())?;
    let worker = dependencies.worker(catalog, settings)?;
    announce(&listener, &options.data);
    // The worker drains first: its last settlements need running dispatchers and readers.
    let serving = tokio::spawn(producer.serve(listener));
    let worked = worker.run(stop).await;
    drained.cancel();
    serving.await.map_err(|error| Failure::Failed(format!("the server broke: {error}")))?;
    Ok(worked?)
}

fn announce(listener: &TcpListener, data: &Path) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on http://{address}, data in {}", data.display());
    }
}

/// Binds the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    producer::listen(address).await.map_err(|error| Failure::Configuration(error.to_string()))
}

/// Locks the data folder. Only one process may use it: its broker is in process and cannot reach
/// another.
fn lock(data: &Path) -> Result<File, Failure> {
    make_folder(data)?;
    let path = data.join("lock");
    let unusable = |error| {
        Failure::Configuration(format!(
            "{} can't be written: {error}; name another folder with --data",
            path.display()
        ))
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Failure::Configuration(format!(
            "{} is in use by another `spool dev`: stop that one, or name another folder with \
             --data",
            data.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}
