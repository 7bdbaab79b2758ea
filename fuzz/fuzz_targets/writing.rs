//! Any text, laid out in a box and drawn with the fonts built in.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| media::fuzzing::writing(text));
