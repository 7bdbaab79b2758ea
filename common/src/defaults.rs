//! Defaults that several kinds share: if two kinds filled in different ones, equal inputs would
//! have different keys.

/// The language of generated text, as a BCP 47 tag.
pub fn language() -> String {
    "en".to_owned()
}

/// The speaking rate, in words per minute.
pub fn rate() -> u32 {
    165
}

/// The length of a video on a topic, in seconds.
pub fn duration() -> u32 {
    30
}
