//! Any line between a worker and its media process: it is a request, a reply or an error, and a
//! message that was read is written again without change.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| media::fuzzing::protocol(line));
