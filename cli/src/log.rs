//! Logs on standard error: text on a terminal, otherwise JSON. `SPOOL_LOG` adds to the filter, such
//! as `worker=debug`.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer,
    field::MakeExt,
    fmt::{self, format::debug_fn},
    layer::SubscriberExt,
    registry::Registry,
    util::SubscriberInitExt,
};

use crate::printable::{PrintableLines, write_field};

/// Filters for libraries whose errors this program handles and logs itself: the AMQP client reports
/// a check for a missing queue as an error, the database client an existing migrations table.
const LIBRARIES: &str = "lapin=off,sqlx::postgres::notice=warn";

/// Starts logging at `level` and above, and as `SPOOL_LOG` says.
pub fn start(level: &str) {
    let given = std::env::var("SPOOL_LOG").unwrap_or_default();
    let wrong = EnvFilter::try_new(&given).err();
    let filter = filter(level, if wrong.is_some() { "" } else { &given });
    let lines = layer(io::stderr().is_terminal(), io::stderr);
    // A second start (in tests) keeps the first. A closed standard error drops the log, and ends
    // no server.
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    if let Some(error) = wrong {
        tracing::error!(
            "SPOOL_LOG=`{given}` is no filter and is ignored ({error}): give one such as \
             `info,worker=debug`"
        );
    }
}

/// Writes events as lines that hold nothing which acts on a terminal, but our own colours.
pub fn layer<W: io::Write + 'static>(
    for_people: bool,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> Box<dyn Layer<Registry> + Send + Sync> {
    if for_people {
        fmt::layer()
            .compact()
            .log_internal_errors(false)
            .with_target(false)
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .with_writer(writer)
            .boxed()
    } else {
        fmt::layer()
            .json()
            .log_internal_errors(false)
            .flatten_event(true)
            .with_writer(move || PrintableLines(writer()))
            .boxed()
    }
}

/// Adds directives to the default ones. Of two for one target the later counts.
fn filter(level: &str, added: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{LIBRARIES},{added}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_adds_to_the_default_one() {
        let shown = |added| {
            let mut directives: Vec<String> =
                filter("warn", added).to_string().split(',').map(str::to_owned).collect();
            directives.sort();
            directives.join(",")
        };
        let libraries = "lapin=off,sqlx::postgres::notice=warn";
        assert_eq!(shown(""), format!("{libraries},warn"));
        assert_eq!(shown("info"), format!("info,{libraries}"));
        assert_eq!(shown("worker=debug"), format!("{libraries},warn,worker=debug"));
        assert_eq!(shown("lapin=info"), "lapin=info,sqlx::postgres::notice=warn,warn");
    }
}
