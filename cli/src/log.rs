//! Logs on standard error: text on a terminal, otherwise JSON. `SPOOL_LOG` filters, such as
//! `info,worker=debug`.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Filters for libraries whose errors this program handles and logs itself: the AMQP client reports
/// a check for a missing queue as an error, the database client an existing migrations table.
const LIBRARIES: &str = "lapin=off,sqlx::postgres::notice=warn";

/// Starts logging at `level` and above, unless `SPOOL_LOG` says otherwise.
pub fn start(level: &str) {
    let given = std::env::var("SPOOL_LOG").ok().filter(|filter| !filter.is_empty());
    let (filter, wrong) = match given.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (default_filter(level), Some(error)),
        None => (default_filter(level), None),
    };
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (in tests) keeps the first. A closed standard error drops the log, and ends
    // no server.
    let _ = if std::io::stderr().is_terminal() {
        registry
            .with(
                fmt::layer()
                    .compact()
                    .log_internal_errors(false)
                    .with_target(false)
                    .with_writer(std::io::stderr),
            )
            .try_init()
    } else {
        registry
            .with(
                fmt::layer()
                    .json()
                    .log_internal_errors(false)
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .try_init()
    };
    if let (Some(error), Some(given)) = (wrong, given) {
        tracing::error!(
            "SPOOL_LOG=`{given}` is no filter and is ignored ({error}): give one such as \
             `info,worker=debug`"
        );
    }
}

fn default_filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{LIBRARIES}"))
}
