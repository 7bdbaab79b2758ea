//! `serve`: the API and its duties, on the production parts.

use super::dev::listen;
use crate::{
    args::Serve,
    config::Config,
    exit::{Failure, Outcome},
    parts::{Parts, catalog},
    signals,
};

/// Runs until told to stop.
pub async fn run(options: Serve, config: Config) -> Outcome {
    let stop = signals::stop_on_signals()?;
    let listener = listen(options.listen).await?;
    let parts = Parts::production(&config, "spool serve").await?;
    let producer = parts.producer(&config, catalog(config.echo, &config), stop)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!("listening on http://{address}");
    }
    producer
        .serve(listener)
        .await
        .map_err(|error| Failure::Failed(format!("the server stopped: {error}")))
}
