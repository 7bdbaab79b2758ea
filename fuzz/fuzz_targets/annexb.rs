//! Any bytes as a stream of NAL units: those that are kept add up, and none that was to be left out is among them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| media::fuzzing::annexb(stream));
