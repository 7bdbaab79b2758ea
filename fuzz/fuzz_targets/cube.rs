//! Any text as a colour table: it is read, or the error names the line.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::fuzzing::cube(text));
