//! `serve`: the API and its background duties, on the production adapters.

use super::dev::listen;
use crate::{
    args::Serve,
    config::Config,
    dependencies::{Dependencies, catalog},
    exit::{CommandResult, Failure},
    signals,
};

/// Runs until a signal.
pub async fn run(options: Serve, config: Config) -> CommandResult {
    let stop = signals::stop_on_signals()?;
    let listener = listen(options.listen).await?;
    let parts = Dependencies::production(&config, "spool serve").await?;
    let producer = parts.producer(&config, catalog(config.echo, &config), stop)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on http://{address}");
    }
    producer
        .serve(listener)
        .await
        .map_err(|error| Failure::Failed(format!("the server stopped: {error}")))
}
