//! What must be fetched or spoken before a composition can be compiled.

use crate::composition::{Clip, Composition};
use crate::document::Src;
use crate::resolve::src_of;
use crate::syntax::{Asset, FilterForm, FilterObject};
pub use common::kinds::source::TakenFor;
use common::kinds::speech::SpeechInput;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// A source's name between `sources` and `compile`: a hash of how it was asked for, so that asking twice is one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub String);

impl Slot {
    /// The slot of what is at an address.
    pub fn of_src(src: &str) -> Slot {
        Slot(common::key::input_key("source", 1, &json!(src)).to_string())
    }

    /// The slot of what is said.
    pub fn of_speech(speech: &SpeechInput) -> Slot {
        Slot(common::key::input_key("speech", 1, &json!(speech)).to_string())
    }
}

/// One thing to get, under the slot by which `compile`'s facts name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub slot: Slot,
    /// How to get it.
    pub origin: Origin,
    /// The JSON Pointer to where the composition first asks for it.
    pub pointer: String,
}

/// How a source is got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From this address, and probed as what it is taken for.
    Fetch {
        /// An `http`, `https` or `file` URL, or a path.
        src: String,
        /// What it is taken for.
        taken_for: TakenFor,
    },
    /// By speaking.
    Speak(SpeechInput),
}

/// The distinct sources of a composition, in the order they are first asked for.
pub fn sources(composition: &Composition) -> Vec<Source> {
    let mut found = Found::default();
    for clip in composition.clips() {
        found.clip(clip);
    }
    if let Some(track) = &composition.soundtrack {
        found.fetch(&track.src, TakenFor::Media, "/timeline/soundtrack/src".to_owned());
    }
    for (index, font) in composition.fonts.iter().enumerate() {
        found.fetch(&Src(font.clone()), TakenFor::Font, format!("/timeline/fonts/{index}/src"));
    }
    found.list
}

#[derive(Default)]
struct Found {
    list: Vec<Source>,
    known: BTreeSet<Slot>,
}

impl Found {
    fn add(&mut self, slot: Slot, origin: Origin, pointer: String) {
        if self.known.insert(slot.clone()) {
            self.list.push(Source { slot, origin, pointer });
        }
    }

    fn fetch(&mut self, src: &Src, taken_for: TakenFor, pointer: String) {
        if src.alias().is_none() {
            self.add(
                Slot::of_src(&src.0),
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
            self.add(Slot::of_speech(speech), Origin::Speak(speech.clone()), clip.at("/asset"));
        }
        for filter in clip.written.filter.iter().flat_map(|filters| &filters.0) {
            if let FilterForm::Set(FilterObject::Lut(lut)) = filter {
                self.fetch(&lut.src, TakenFor::Lut, clip.at("/filter/src"));
            }
        }
    }
}
