//! The sources that must be fetched or spoken before a composition can be compiled.

use crate::composition::{Clip, Composition};
use crate::document::Src;
use crate::resolve::src_of;
use crate::syntax::{Asset, FilterForm, FilterObject};
pub use common::kinds::source::TakenFor;
use common::kinds::speech::SpeechInput;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// Names a source between [`sources`] and [`crate::compile`]: a hash of how it is requested, so
/// that two requests for one source share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceKey(pub String);

impl SourceKey {
    /// The key of the source at an address.
    pub fn of_src(src: &str) -> SourceKey {
        SourceKey(common::key::input_key("source", 1, &json!(src)).to_string())
    }

    /// The key of a speech.
    pub fn of_speech(speech: &SpeechInput) -> SourceKey {
        SourceKey(common::key::input_key("speech", 1, &json!(speech)).to_string())
    }
}

/// A source to obtain. The caller passes its facts to [`crate::compile`] under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub key: SourceKey,
    pub origin: Origin,
    /// The JSON Pointer to the first place in the composition that uses it.
    pub pointer: String,
}

/// The way to obtain a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Fetch it from an address and probe it.
    Fetch {
        /// An `http`, `https` or `file` URL, or a path.
        src: String,
        /// The type of file to probe it as.
        taken_for: TakenFor,
    },
    /// Generate it by speech synthesis.
    Speak(SpeechInput),
}

/// The distinct sources of a composition, in the order of their first use.
///
/// ```
/// use composition::{Origin, TakenFor};
///
/// let document = serde_json::json!({ "timeline": {
///     "soundtrack": { "src": "https://example.com/music.mp3" },
///     "tracks": [{ "clips": [
///         { "asset": { "type": "video", "src": "https://example.com/a.mp4" } },
///         { "asset": { "type": "video", "src": "https://example.com/a.mp4", "trim": 5 } },
///     ] }],
/// } });
/// let composition = composition::parse(&document).expect("a valid composition");
/// let sources = composition::sources(&composition);
/// assert_eq!(sources.len(), 2, "both clips share one source");
/// assert_eq!(
///     sources[0].origin,
///     Origin::Fetch { src: "https://example.com/a.mp4".into(), taken_for: TakenFor::Media },
/// );
/// assert_eq!(sources[0].pointer, "/timeline/tracks/0/clips/0/asset/src");
/// ```
pub fn sources(composition: &Composition) -> Vec<Source> {
    let mut list = SourceList::default();
    for clip in composition.clips() {
        list.clip(clip);
    }
    if let Some(track) = &composition.soundtrack {
        list.fetch(&track.src, TakenFor::Media, "/timeline/soundtrack/src".to_owned());
    }
    for (index, font) in composition.fonts.iter().enumerate() {
        list.fetch(&Src(font.clone()), TakenFor::Font, format!("/timeline/fonts/{index}/src"));
    }
    list.sources
}

#[derive(Default)]
struct SourceList {
    sources: Vec<Source>,
    seen: BTreeSet<SourceKey>,
}

impl SourceList {
    fn add(&mut self, key: SourceKey, origin: Origin, pointer: String) {
        if self.seen.insert(key.clone()) {
            self.sources.push(Source { key, origin, pointer });
        }
    }

    fn fetch(&mut self, src: &Src, taken_for: TakenFor, pointer: String) {
        if src.alias().is_none() {
            self.add(
                SourceKey::of_src(&src.0),
                Origin::Fetch { src: src.0.clone(), taken_for },
                pointer,
            );
        }
    }

    fn clip(&mut self, clip: &Clip) {
        if let Some(src) = src_of(&clip.written.asset) {
            let subtitles = matches!(clip.written.asset, Asset::Caption(_) | Asset::RichCaption(_));
            let taken_for = if subtitles { TakenFor::Subtitles } else { TakenFor::Media };
            self.fetch(src, taken_for, clip.at("/asset/src"));
        }
        if let Some(speech) = &clip.speech {
            self.add(
                SourceKey::of_speech(speech),
                Origin::Speak(speech.clone()),
                clip.at("/asset"),
            );
        }
        for filter in clip.written.filter.iter().flat_map(|filters| &filters.0) {
            if let FilterForm::Set(FilterObject::Lut(lut)) = filter {
                self.fetch(&lut.src, TakenFor::Lut, clip.at("/filter/src"));
            }
        }
    }
}
