//! Damaged and hostile files end in an error or in a picture, and in nothing else.

use super::clips::{Clip, still};
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::MediaError;
use crate::picture::Scene;
use crate::text::FontFolders;
use composition::plan::*;
use ffmpeg_next::format::Pixel;
use std::path::Path;

/// A small random generator with a seed, so that a failure can be repeated (xorshift; Marsaglia
/// 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// Opens a file as a layer and draws some frames. Any panic fails the test.
fn try_drawing(fixture: &SegmentFixture, path: &Path, moving: bool) -> Result<(), MediaError> {
    let mut fixture = fixture.without_layers();
    let source = SourceHash("any".into());
    fixture.files.insert(source.clone(), path.to_owned());
    let picture = picture_of(source);
    let asset = if moving { Asset::Video(video_of(picture)) } else { Asset::Image(picture) };
    fixture.layer(asset);
    let mut scene = Scene::open(&fixture.segment, &fixture.files, &FontFolders(vec![]))?;
    for frame in [0, 7, 3] {
        scene.frame(frame)?;
    }
    Ok(())
}

fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    if random.below(4) == 0 {
        damaged.truncate(random.below(bytes.len()));
    }
    for _ in 0..=random.below(12) {
        if damaged.is_empty() {
            break;
        }
        let at = random.below(damaged.len());
        damaged[at] = random.below(256) as u8;
    }
    damaged
}

#[test]
fn damaged_files_never_panic() {
    let fixture = SegmentFixture::new(64, 48);
    let mut kinds: Vec<(&str, bool)> = Vec::new();
    Clip { width: 64, height: 48, ..Clip::even((25, 1), 10) }.make(&fixture.path("a.mp4"));
    Clip { width: 64, height: 48, format: "matroska", ..Clip::even((25, 1), 10) }
        .make(&fixture.path("a.mkv"));
    kinds.extend([("a.mp4", true), ("a.mkv", true)]);
    for name in ["a.png", "a.jpg", "a.webp"] {
        still(&fixture.path(name), 64, 48, Rgba([200, 30, 90, 255]));
        kinds.push((name, false));
    }
    let moving = Clip {
        format: "webp",
        codec: "libwebp_anim",
        options: &[],
        pixels: Pixel::BGRA,
        ..Clip::even((25, 1), 9)
    };
    moving.make(&fixture.path("moving.webp"));
    kinds.push(("moving.webp", true));
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>\
        <g opacity='.5'><circle r='4' fill='red'/></g></svg>";
    std::fs::write(fixture.path("a.svg"), svg).unwrap();
    kinds.push(("a.svg", false));
    let mut random = Random(0x5eed);
    let (mut drawn, mut refused) = (0, 0);
    for (name, moving) in kinds {
        let bytes = std::fs::read(fixture.path(name)).unwrap();
        for _ in 0..15 {
            let path = fixture.path(&format!("damaged-{name}"));
            std::fs::write(&path, damage(&bytes, &mut random)).unwrap();
            match try_drawing(&fixture, &path, moving) {
                Ok(()) => drawn += 1,
                Err(MediaError::BadInput(_) | MediaError::Unsupported(_)) => refused += 1,
                Err(other) => panic!("{name}: {other:?}"),
            }
        }
    }
    assert!(drawn > 8 && refused > 8, "{drawn} drawn, {refused} refused");
}

#[test]
fn a_picture_that_claims_to_be_enormous_is_refused() {
    let fixture = SegmentFixture::new(64, 48);
    let path = fixture.path("huge.png");
    still(&path, 64, 48, Rgba::WHITE);
    let mut bytes = std::fs::read(&path).unwrap();
    // The header's width and height, with its checksum corrected.
    bytes[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let error = try_drawing(&fixture, &path, false);
    assert!(matches!(error, Err(MediaError::BadInput(_))), "{error:?}");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

#[test]
fn broken_fonts_and_tables_are_bad_input() {
    for (bytes, as_font) in [
        (&b"\0\x01\0\0rubbish"[..], true),
        (&b"LUT_3D_SIZE 9000"[..], false),
        (&b"\xff\xfe"[..], false),
    ] {
        let mut fixture = SegmentFixture::new(64, 48);
        let path = fixture.path("file");
        std::fs::write(&path, bytes).unwrap();
        let source = fixture.add(&path);
        let layer = fixture.layer(Asset::Colour(Rgba::WHITE));
        if as_font {
            fixture.segment.fonts = vec![source];
        } else {
            layer.filters = vec![Filter::Lut { source }];
        }
        let opened = Scene::open(&fixture.segment, &fixture.files, &FontFolders(vec![]));
        assert!(matches!(opened.err(), Some(MediaError::BadInput(_))), "{bytes:?}");
    }
}
