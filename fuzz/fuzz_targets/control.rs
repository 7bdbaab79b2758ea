//! Any line between a worker and its child: it is a request or an answer, or an error, and what is read is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| media::fuzzing::control(line));
