//! What is meant where an input leaves it out, said once for all kinds that take it: two kinds that disagree would not share a key.

/// The language of what is written, as a BCP 47 tag.
pub fn language() -> String {
    "en".to_owned()
}

/// Words per minute.
pub fn rate() -> u32 {
    165
}

/// How long a video on a topic is to be, in seconds.
pub fn duration() -> u32 {
    30
}
