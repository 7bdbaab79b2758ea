//! Programs in C that tests compile: what a decoder does is not written in Rust.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `native/NAME.c` to the file `out` with these options of the compiler.
pub(crate) fn compile(name: &str, options: &[&str], out: &Path) {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sandbox/native")
        .join(name)
        .with_extension("c");
    let status = Command::new("cc").args(options).arg("-o").args([out, &source]).status();
    assert!(status.unwrap().success(), "{}", source.display());
}
