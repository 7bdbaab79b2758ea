//! The media process of the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    media::media_process::main()
}
