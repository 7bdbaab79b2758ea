//! Any text: what is read as cues has an order and lengths, and is read again when it is written.
#![no_main]

use composition::subtitles::{Format, read, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(cues) = read(text) else { return };
    assert!(cues.iter().all(|cue| cue.start < cue.end));
    assert!(cues.is_sorted_by_key(|cue| cue.start));
    for format in [Format::Srt, Format::Vtt, Format::Ass] {
        let _ = write(&cues, format);
    }
});
