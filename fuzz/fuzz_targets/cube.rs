//! Any text as a colour table: it is read, or the line that is wrong is named.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::fuzzing::cube(text));
