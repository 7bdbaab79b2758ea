//! Logs on standard error: text on a terminal, otherwise JSON. `SPOOL_LOG` filters, such as
//! `info,worker=debug`.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Filters for libraries that log what we handle and log ourselves: the AMQP client reports a check
/// for a missing queue as an error, the database client reports an existing migrations table.
const UNHEARD: &str = "lapin=off,sqlx::postgres::notice=warn";

/// Starts logging at `level` and above, unless `SPOOL_LOG` says otherwise.
pub fn start(level: &str) {
    let asked = std::env::var("SPOOL_LOG").ok().filter(|filter| !filter.is_empty());
    let (filter, wrong) = match asked.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual(level), Some(error)),
        None => (usual(level), None),
    };
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (in tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        registry
            .with(fmt::layer().compact().with_target(false).with_writer(std::io::stderr))
            .try_init()
    } else {
        registry
            .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init()
    };
    if let (Some(error), Some(asked)) = (wrong, asked) {
        tracing::error!(
            "SPOOL_LOG=`{asked}` is no filter and is ignored ({error}): give one such as `info,worker=debug`"
        );
    }
}

fn usual(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{UNHEARD}"))
}
