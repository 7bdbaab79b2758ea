//! Files that want something: playlists in other clothes, and damage of every kind.

use crate::{Room, cage};
use composition::plan::{Rgba, SourceHash};
use media::cage::{Bounds, Cage, Ended, Ending};
use media::child::ChildJob;
use std::path::Path;
use tokio_util::sync::CancellationToken;

fn probing(source: &Path) -> ChildJob {
    ChildJob::Probe { source: source.to_owned(), hash: SourceHash("00".into()) }
}

async fn probed(cage: &Cage, room: &Room, source: &Path) -> Ended {
    let job = probing(source);
    cage.run(&job, room.path(), Bounds::of(&job), &CancellationToken::new(), |_| {}).await
}

#[tokio::test]
async fn playlists_that_call_themselves_films_open_nothing() {
    let room = Room::new();
    let (secret, _) = room.speech("secret.wav").await;
    let secret = secret.display();
    for playlist in [
        format!("ffconcat version 1.0\nfile '{secret}'\n"),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n"),
    ] {
        let film = room.path().join("film.mp4");
        std::fs::write(&film, playlist).unwrap();
        let ended = probed(&cage(), &room, &film).await;
        assert!(matches!(ended.ending, Ending::BadInput(_)), "{ended:?}");
    }
}

#[tokio::test]
async fn text_emptiness_and_half_a_film_are_bad_input() {
    let room = Room::new();
    let film = std::fs::read(room.film("film.mp4", 20, Rgba::WHITE).await).unwrap();
    for bytes in [b"".as_slice(), b"not a film\n", &film[..film.len() / 2]] {
        let path = room.path().join("bad.mp4");
        std::fs::write(&path, bytes).unwrap();
        let ended = probed(&cage(), &room, &path).await;
        assert!(matches!(ended.ending, Ending::BadInput(_)), "{ended:?}");
        assert!(ended.ending.sentence().contains("bad.mp4"), "{}", ended.ending.sentence());
    }
}

/// Variants of each kind of file that every run tries, and that a long run does.
const SOME: u64 = 60;
const MANY: u64 = 500;

#[tokio::test]
async fn damaged_films_harm_nobody_but_their_own_child() {
    let room = Room::new();
    damage(&room, &room.film("film.mp4", 12, Rgba::WHITE).await, SOME).await;
}

#[tokio::test]
async fn damaged_sound_harms_nobody_but_its_own_child() {
    let room = Room::new();
    damage(&room, &room.speech("speech.wav").await.0, SOME).await;
}

#[tokio::test]
async fn damaged_pngs_harm_nobody_but_their_own_child() {
    let room = Room::new();
    damage(&room, &room.still("still.png").await, SOME).await;
}

#[tokio::test]
async fn damaged_jpegs_harm_nobody_but_their_own_child() {
    let room = Room::new();
    damage(&room, &room.still("still.jpg").await, SOME).await;
}

#[tokio::test]
#[ignore = "two thousand children take a minute or two"]
async fn two_thousand_damaged_files_harm_nobody_but_their_own_child() {
    let room = Room::new();
    damage(&room, &room.film("film.mp4", 12, Rgba::WHITE).await, MANY).await;
    damage(&room, &room.speech("speech.wav").await.0, MANY).await;
    damage(&room, &room.still("still.png").await, MANY).await;
    damage(&room, &room.still("still.jpg").await, MANY).await;
}

/// Probes so many damaged variants of a file. Every one has to end by itself in some way that blames the file, and the
/// cage has to work afterwards as before.
async fn damage(room: &Room, source: &Path, variants: u64) {
    let cage = cage();
    let whole = std::fs::read(source).unwrap();
    let damaged = source.with_file_name("damaged");
    for seed in 0..variants {
        std::fs::write(&damaged, spoiled(&whole, seed)).unwrap();
        let ended = probed(&cage, room, &damaged).await;
        assert!(blames_the_file(&ended.ending), "variant {seed} of {}: {ended:?}", source.display());
    }
    let ended = probed(&cage, room, source).await;
    assert!(matches!(ended.ending, Ending::Done(_)), "{ended:?}");
}

/// A damaged file may still be readable; a crash is the decoder's, and what the cage is for.
fn blames_the_file(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::Done(_)
            | Ending::BadInput(_)
            | Ending::Unsupported(_)
            | Ending::OutOfMemory(_)
            | Ending::Crashed { signal: Some(_), .. }
    )
}

/// One to eight bits flipped, mostly near the start where headers are; now and then the end cut off.
fn spoiled(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = |below: usize| {
        // xorshift64*: any spread of damage will do, so long as it is the same in every run.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    };
    let mut bytes = whole.to_vec();
    if next(8) == 0 {
        bytes.truncate(1 + next(whole.len()));
    }
    for _ in 0..=next(8) {
        let reach = if next(3) == 0 { bytes.len() } else { bytes.len().min(1024) };
        let at = next(reach);
        bytes[at] ^= 1 << next(8);
    }
    bytes
}
