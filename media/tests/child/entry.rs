//! A caged child for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    media::child::main()
}
