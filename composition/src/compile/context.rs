//! What every stage of compiling has at hand: the composition, the facts, and where faults and warnings go.

use super::times::Known;
use crate::composition::{Clip, Composition};
use crate::document::Src;
use crate::limits::MAX_FAULTS;
use crate::plan::{AudioFacts, Facts, Ratio, RenderPlan, Source, SourceHash, VideoFacts};
use crate::resolve::src_of;
use crate::sources::Slot;
use common::fault::Fault;
use std::collections::BTreeMap;

/// The context.
pub(super) struct CompileContext<'a> {
    pub composition: &'a Composition,
    facts: &'a BTreeMap<Slot, Facts>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
    /// Starts that have been asked for, by the clip's pointer.
    pub starts: BTreeMap<String, Known<Ratio>>,
    /// Lengths that have been asked for, likewise.
    pub lengths: BTreeMap<String, Known<Ratio>>,
    /// The clip before each on its track, by pointer.
    before: BTreeMap<&'a str, &'a Clip>,
}

impl<'a> CompileContext<'a> {
    pub fn new(composition: &'a Composition, facts: &'a BTreeMap<Slot, Facts>) -> Self {
        let pairs =
            composition.tracks.iter().flat_map(|clips| clips.iter().zip(clips.iter().skip(1)));
        CompileContext {
            composition,
            facts,
            faults: Vec::new(),
            warnings: Vec::new(),
            starts: BTreeMap::new(),
            lengths: BTreeMap::new(),
            before: pairs.map(|(before, clip)| (clip.pointer.as_str(), before)).collect(),
        }
    }

    /// The clip before another on its track.
    pub fn before(&self, clip: &Clip) -> Option<&'a Clip> {
        self.before.get(clip.pointer.as_str()).copied()
    }

    /// Something is wrong at a place; of several wrongs at one place the first is told, because stages meet the same one again.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        let fault = Fault::new(pointer, detail);
        if self.faults.len() < MAX_FAULTS
            && self.faults.iter().all(|known| known.pointer != fault.pointer)
        {
            self.faults.push(fault);
        }
    }

    /// Something is not quite as the caller may expect.
    pub fn warn(&mut self, pointer: &str, detail: impl std::fmt::Display) {
        let warning = format!("{pointer} {detail}");
        if self.warnings.len() < MAX_FAULTS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The plan, if nothing was wrong.
    pub fn settle(self, plan: Option<RenderPlan>) -> Result<RenderPlan, Vec<Fault>> {
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

    /// The facts of what is at an address; a fault at `pointer` where they are missing.
    pub fn facts_at(&mut self, src: &Src, pointer: &str) -> Option<&'a Facts> {
        self.facts_in(&Slot::of_src(&src.0), pointer)
    }

    fn facts_in(&mut self, slot: &Slot, pointer: &str) -> Option<&'a Facts> {
        let facts = self.facts.get(slot);
        if facts.is_none() {
            self.fault(
                pointer,
                "is a source of which nothing is known: it must be fetched and probed first",
            );
        }
        facts
    }

    /// The clip that a clip's `alias://` names.
    pub fn target(&self, clip: &Clip) -> Option<&'a Clip> {
        let alias = src_of(&clip.written.asset)?.alias()?;
        self.composition.clip_named(alias)
    }

    /// The facts of a clip's source: its own, or what it says, or that of the clip it follows.
    pub fn facts_of(&mut self, clip: &Clip) -> Option<&'a Facts> {
        if let Some(target) = self.target(clip) {
            return self.facts_of(target);
        }
        if let Some(speech) = &clip.speech {
            return self.facts_in(&Slot::of_speech(speech), &clip.at("/asset"));
        }
        let src = src_of(&clip.written.asset)?;
        self.facts_at(src, &clip.at("/asset/src"))
    }

    /// The first picture stream of a clip's source; a fault where there is none.
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

    /// The first sound stream of a clip's source, where it has one.
    pub fn sound_of(&mut self, clip: &Clip) -> Option<(&'a Facts, &'a AudioFacts)> {
        let facts = self.facts_of(clip)?;
        facts.audio.first().map(|stream| (facts, stream))
    }

    /// The composition's own fonts, as far as they are known.
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

/// A stream of a probed source.
pub(super) fn stream(facts: &Facts, index: u32) -> Source {
    Source { hash: facts.hash.clone(), stream: index }
}
