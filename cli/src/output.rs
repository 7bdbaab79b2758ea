//! The output of commands. No other file writes to standard output or standard error, except the
//! log and the bars. All of it is [`printable`].
//!
//! Rust ignores SIGPIPE, which servers and workers need: a peer that closes its end must not end
//! them. So a write to a closed pipe fails, as in `spool dead list | head -1`, and ends the command
//! by an error that is not reported.

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
};

use crate::{
    exit::{CommandResult, Failure},
    printable::printable,
};

/// Prints a line on standard output.
pub fn line(text: impl Display) -> CommandResult {
    own_text(&printable(&text.to_string()))
}

/// Prints a text of this program's own on standard output, which may have lines and tabs.
pub fn own_text(text: &str) -> CommandResult {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Failed(format!("standard output can't be written: {error}")),
    })
}

/// Prints lines on standard output.
pub fn lines(texts: impl IntoIterator<Item = impl Display>) -> CommandResult {
    texts.into_iter().try_for_each(line)
}

/// Prints a line on standard error. If standard error is closed, the line is dropped.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(&text.to_string()));
}
