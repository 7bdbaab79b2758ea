//! Any bytes as an AVIF picture: its boxes are read, and no item is longer than the file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| media::fuzzing::avif(file));
