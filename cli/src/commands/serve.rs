//! `serve`: the API and its background duties, on the production adapters.

use std::net::SocketAddr;

use clap::Args;

use super::dev::listen;
use crate::{
    config::Config,
    dependencies::{Dependencies, catalog},
    exit::CommandResult,
    signals,
};

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
}

/// Runs until a signal.
pub async fn run(options: Serve, config: Config) -> CommandResult {
    let stop = signals::stop_on_signals()?;
    let listener = listen(options.listen).await?;
    let opening = Dependencies::production(&config, "spool serve");
    let Some(dependencies) = stop.run_until_cancelled(opening).await.transpose()? else {
        return Ok(());
    };
    let producer = dependencies.producer(&config, catalog(config.echo, &config), stop)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on http://{address}");
    }
    producer.serve(listener).await;
    Ok(())
}
