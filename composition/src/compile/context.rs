//! State that all stages of compiling share: the composition, the facts, and the faults and
//! warnings found.

use super::times::Lookup;
use crate::composition::{Clip, Composition};
use crate::document::Src;
use crate::plan::{AudioFacts, Facts, Ratio, RenderPlan, Source, SourceHash, VideoFacts};
use crate::resolve::src_of;
use crate::sources::SourceKey;
use crate::subtitles::{self, Cue};
use common::fault::Fault;
use common::limits::MAX_FAULTS;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The composition and facts to compile, with the faults and warnings so far.
pub(super) struct CompileContext<'a> {
    pub composition: &'a Composition,
    facts: &'a BTreeMap<SourceKey, Facts>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
    /// Starts that were looked up, by the clip's pointer.
    pub starts: BTreeMap<String, Lookup<Ratio>>,
    /// Lengths that were looked up, by the clip's pointer.
    pub lengths: BTreeMap<String, Lookup<Ratio>>,
    /// The cues of the subtitle files that were read, or why there are none, by the file's hash.
    subtitles: BTreeMap<&'a SourceHash, Result<Rc<[Cue]>, String>>,
    /// The clip before each one on its track, by pointer.
    before: BTreeMap<&'a str, &'a Clip>,
}

impl<'a> CompileContext<'a> {
    pub fn new(composition: &'a Composition, facts: &'a BTreeMap<SourceKey, Facts>) -> Self {
        let pairs =
            composition.tracks.iter().flat_map(|clips| clips.iter().zip(clips.iter().skip(1)));
        CompileContext {
            composition,
            facts,
            faults: Vec::new(),
            warnings: Vec::new(),
            starts: BTreeMap::new(),
            lengths: BTreeMap::new(),
            subtitles: BTreeMap::new(),
            before: pairs.map(|(before, clip)| (clip.pointer.as_str(), before)).collect(),
        }
    }

    /// The clip before another on its track.
    pub fn before(&self, clip: &Clip) -> Option<&'a Clip> {
        self.before.get(clip.pointer.as_str()).copied()
    }

    /// Reports a fault. Only the first fault of a place is kept, because several stages meet the
    /// same one.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let fault = Fault::new(pointer, detail);
        if self.faults.len() < MAX_FAULTS
            && self.faults.iter().all(|known| known.pointer != fault.pointer)
        {
            self.faults.push(fault);
        }
    }

    /// Reports a result that may differ from what the caller expects.
    pub fn warn(&mut self, pointer: &str, detail: impl std::fmt::Display) {
        let warning = format!("{pointer} {detail}");
        if self.warnings.len() < MAX_FAULTS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Returns the plan, or the faults if there are any.
    pub fn finish(self, plan: Option<RenderPlan>) -> Result<RenderPlan, Vec<Fault>> {
        match plan {
            Some(plan) if self.faults.is_empty() => {
                Ok(RenderPlan { warnings: self.warnings, ..plan })
            }
            _ if self.faults.is_empty() => {
                Err(vec![Fault::new("", "can't be compiled: no frame is left of it")])
            }
            _ => Err(self.faults),
        }
    }

    /// The facts of the source at an address. A missing source is a fault at `pointer`.
    pub fn facts_at(&mut self, src: &Src, pointer: &str) -> Option<&'a Facts> {
        self.facts_in(&SourceKey::of_src(&src.0), pointer)
    }

    fn facts_in(&mut self, key: &SourceKey, pointer: &str) -> Option<&'a Facts> {
        let facts = self.facts.get(key);
        if facts.is_none() {
            self.fault(
                pointer,
                "is a source of which nothing is known: it must be fetched and probed first",
            );
        }
        facts
    }

    /// The clip that a clip's `alias://` refers to.
    pub fn target(&self, clip: &Clip) -> Option<&'a Clip> {
        let alias = src_of(&clip.written.asset)?.alias()?;
        self.composition.clip_with_alias(alias)
    }

    /// The facts of a clip's source: its file, its speech, or those of the clip it follows.
    pub fn facts_of(&mut self, clip: &Clip) -> Option<&'a Facts> {
        if let Some(target) = self.target(clip) {
            return self.facts_of(target);
        }
        if let Some(speech) = &clip.speech {
            return self.facts_in(&SourceKey::of_speech(speech), &clip.at("/asset"));
        }
        let src = src_of(&clip.written.asset)?;
        self.facts_at(src, &clip.at("/asset/src"))
    }

    /// The first picture stream of a clip's source. A missing one is a fault.
    pub fn picture_of(&mut self, clip: &Clip) -> Option<(&'a Facts, &'a VideoFacts)> {
        let facts = self.facts_of(clip)?;
        let stream = facts.video.first().filter(|stream| stream.width > 0 && stream.height > 0);
        if stream.is_none() {
            self.fault(
                clip.at("/asset/src"),
                "has no picture: name a file that has one, or use an `audio` asset",
            );
        }
        Some((facts, stream?))
    }

    /// The first sound stream of a clip's source, if it has one.
    pub fn sound_of(&mut self, clip: &Clip) -> Option<(&'a Facts, &'a AudioFacts)> {
        let facts = self.facts_of(clip)?;
        facts.audio.first().map(|stream| (facts, stream))
    }

    /// The cues of a clip's subtitle file, which is parsed once however many clips show it. A file
    /// without cues is a fault.
    pub fn file_cues(&mut self, clip: &Clip) -> Option<Rc<[Cue]>> {
        let facts = self.facts_of(clip)?;
        let read = self.subtitles.entry(&facts.hash).or_insert_with(|| match &facts.text {
            Some(text) => subtitles::read(text).map(Rc::from),
            None => Err("is not a subtitle file: give SRT, WebVTT or ASS".to_owned()),
        });
        let read = read.clone();
        read.map_err(|detail| self.fault(clip.at("/asset/src"), detail)).ok()
    }

    /// The composition's own fonts whose facts are known.
    pub fn fonts(&mut self) -> Vec<SourceHash> {
        let mut hashes = Vec::new();
        for (index, src) in self.composition.fonts.iter().enumerate() {
            let pointer = format!("/timeline/fonts/{index}/src");
            let hash = self.facts_at(&Src(src.clone()), &pointer).map(|facts| facts.hash.clone());
            hashes.extend(hash.filter(|hash| !hashes.contains(hash)));
        }
        hashes
    }
}

pub(super) fn stream(facts: &Facts, index: u32) -> Source {
    Source { hash: facts.hash.clone(), stream: index, joined: facts.joined }
}
