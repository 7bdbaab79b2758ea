//! Any text, laid out in a box and drawn with the built-in fonts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::fuzzing::text(text));
