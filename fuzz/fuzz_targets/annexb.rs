//! Any bytes as a stream of NAL units: the units are no longer than the stream, and no supplemental
//! information is left after its removal.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| media::fuzzing::annexb(stream));
