//! Mixes sound block by block: items start and end on their samples, voices lower the music, and
//! the sum comes out.
//!
//! Memory does not grow with the length: an item's source is opened in the block in which it begins
//! and closed after the one in which it ends.

use super::duck::Ducker;
use super::item::PlayingItem;
use super::stereo::Stereo;
use crate::protocol::Files;
use crate::{MediaError, Result};
use composition::plan::{Role, Sound, SoundItem};

/// A tenth of a second at 48 kHz, and a whole number of the sidechain's steps.
pub(super) const BLOCK: usize = 4_800;

/// The mix, read from start to end.
pub(super) struct Mixer<'a> {
    sound: &'a Sound,
    files: &'a Files,
    /// Items that have not begun, the next one last.
    upcoming: Vec<&'a SoundItem>,
    playing: Vec<(Role, PlayingItem<'a>)>,
    ducker: Option<Ducker>,
    position: u64,
}

impl<'a> Mixer<'a> {
    pub(super) fn new(sound: &'a Sound, files: &'a Files) -> Self {
        let mut upcoming: Vec<&SoundItem> =
            sound.items.iter().filter(|item| item.samples > 0).collect();
        upcoming.sort_by_key(|item| std::cmp::Reverse(item.start));
        Self {
            sound,
            files,
            upcoming,
            playing: Vec::new(),
            ducker: sound.ducking.as_ref().map(|ducking| Ducker::new(ducking, sound.recipe.rate)),
            position: 0,
        }
    }

    /// Returns the next block: [`BLOCK`] samples, fewer in the last; none at the end.
    ///
    /// # Errors
    /// Errors from opening and decoding sources.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<Stereo>>> {
        let left = self.sound.samples - self.position;
        let length = left.min(BLOCK as u64) as usize;
        if length == 0 {
            return Ok(None);
        }
        let mut buses = [vec![[0.0; 2]; length], vec![[0.0; 2]; length], vec![[0.0; 2]; length]];
        for (role, playing) in &mut self.playing {
            playing.add_to(&mut buses[bus_of(*role)])?;
        }
        self.start_items(&mut buses)?;
        self.playing.retain(|(_, playing)| !playing.is_over());
        self.position += length as u64;
        Ok(Some(self.sum(buses)))
    }

    fn start_items(&mut self, buses: &mut [Vec<Stereo>; 3]) -> Result<()> {
        let end = self.position + buses[0].len() as u64;
        while let Some(item) = self.upcoming.pop_if(|item| item.start < end) {
            let hash = &item.source.hash;
            let path = self.files.get(hash).ok_or_else(|| {
                MediaError::Internal(format!("the sound's source {hash} has no file"))
            })?;
            let mut playing = PlayingItem::begin(item, path, self.sound.recipe.rate)?;
            let from = (item.start - self.position) as usize;
            playing.add_to(&mut buses[bus_of(item.role)][from..])?;
            self.playing.push((item.role, playing));
        }
        Ok(())
    }

    fn sum(&mut self, buses: [Vec<Stereo>; 3]) -> Vec<Stereo> {
        let [voice, mut music, effect] = buses;
        if let Some(ducker) = &mut self.ducker {
            ducker.duck(&voice, &mut music);
        }
        for ((sum, voice), effect) in music.iter_mut().zip(&voice).zip(&effect) {
            sum[0] += voice[0] + effect[0];
            sum[1] += voice[1] + effect[1];
        }
        music
    }
}

const fn bus_of(role: Role) -> usize {
    match role {
        Role::Voice => 0,
        Role::Music => 1,
        Role::Effect => 2,
    }
}
