//! Any text as subtitles: cues that are read are ordered and not empty, and can be written in each
//! format.
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
