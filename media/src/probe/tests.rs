//! Facts of files made for the purpose, and refusals.
#![allow(clippy::unwrap_used)]

use super::probe;
use crate::encode::still::write_still;
use crate::encode::writer::SegmentWriter;
use crate::picture::planes::Picture;
use crate::sound::encode::SoundWriter;
use crate::{MediaError, Result};
use composition::plan::{
    Canvas, ColourTags, Facts, PixelFormat, Quality, Rate, Ratio, Recipe, Rgba, SoundCodec,
    SoundRecipe, SourceHash, VideoCodec,
};
use std::path::{Path, PathBuf};

fn facts(path: &Path) -> Result<Facts> {
    probe(path, &SourceHash("00ff".into()))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Makes forty frames of video at 30000/1001, with a key frame every sixteen.
fn video_file(folder: &Path) -> PathBuf {
    let path = folder.join("film.mp4");
    let recipe = Recipe {
        codec: VideoCodec::H264,
        quality: Quality { crf: 30, effort: 0 },
        pixel_format: PixelFormat::Yuv420p,
        colour: ColourTags::Bt709Limited,
        gop: 16,
    };
    let rate = Rate { num: 30_000, den: 1_001 };
    let canvas = Canvas { width: 64, height: 36, rate, background: Rgba::BLACK };
    let mut writer = SegmentWriter::create(&recipe, &canvas, &path).unwrap();
    for frame in 0..40 {
        writer.push(&Picture::filled(64, 36, Rgba([frame * 6, 90, 30, 255]))).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn tone(folder: &Path, codec: SoundCodec, name: &str) -> PathBuf {
    let path = folder.join(name);
    let recipe = SoundRecipe { codec, bitrate: 96_000, rate: 48_000, channels: 2 };
    let mut writer = SoundWriter::create(&recipe, &path).unwrap();
    writer.push(&vec![[0.1, -0.1]; 72_001]).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn a_video_is_described_to_the_frame() {
    let folder = folder();
    let facts = facts(&video_file(folder.path())).unwrap();
    assert!(facts.container.contains("mp4"));
    assert!(!facts.image && facts.audio.is_empty());
    assert_eq!(facts.duration, Some(Ratio::new(40 * 1_001, 30_000).unwrap()));
    let [video] = facts.video.as_slice() else { panic!("{facts:?}") };
    assert_eq!((video.width, video.height, video.codec.as_str()), (64, 36, "h264"));
    assert_eq!((video.frames, video.variable_rate), (Some(40), false));
    assert_eq!(video.rate, Some(Ratio::new(30_000, 1_001).unwrap()));
    assert_eq!(video.start, Ratio::ZERO);
    let keys: Vec<Ratio> =
        [0, 16, 32].map(|frame| Ratio::new(frame * 1_001, 30_000).unwrap()).to_vec();
    assert_eq!(video.keyframes, keys);
    assert_eq!((video.pixel_format.as_str(), video.bits, video.alpha), ("yuv420p", 8, false));
    assert_eq!((video.colour.matrix.as_str(), video.colour.range.as_str()), ("bt709", "tv"));
    assert_eq!(facts.hash.0, "00ff");
}

#[test]
fn a_sound_file_has_the_length_of_its_samples() {
    let folder = folder();
    for (codec, name) in [
        (SoundCodec::Pcm16, "tone.wav"),
        (SoundCodec::Aac, "tone.m4a"),
        (SoundCodec::Mp3, "tone.mp3"),
        (SoundCodec::Opus, "tone.webm"),
    ] {
        let facts = facts(&tone(folder.path(), codec, name)).unwrap();
        let [audio] = facts.audio.as_slice() else { panic!("{facts:?}") };
        assert_eq!((audio.rate, audio.channels), (48_000, 2), "{name}");
        assert_eq!(audio.duration, Some(Ratio::new(72_001, 48_000).unwrap()), "{name}");
        assert!(facts.video.is_empty() && !facts.image);
    }
}

#[test]
fn stills_have_no_clock() {
    let folder = folder();
    for name in ["picture.png", "picture.jpg", "picture.webp"] {
        let path = folder.path().join(name);
        write_still(&Picture::filled(33, 21, Rgba([200, 100, 50, 255])), &path).unwrap();
        let facts = facts(&path).unwrap();
        assert!(facts.image, "{name}: {facts:?}");
        assert_eq!((facts.duration, facts.video.len()), (None, 1));
        let still = &facts.video[0];
        assert_eq!((still.width, still.height, still.rate, still.frames), (33, 21, None, Some(1)));
    }
}

#[test]
fn svgs_fonts_and_subtitles_are_recognised_by_their_first_bytes() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        facts(&path).unwrap()
    };
    let svg = write("a", br#"<svg xmlns="http://www.w3.org/2000/svg" width="120.5" height="40"/>"#);
    assert_eq!((svg.container.as_str(), svg.image), ("svg", true));
    assert_eq!((svg.video[0].width, svg.video[0].height), (121, 40));

    let font = write("b", crate::text::fonts::BUNDLED[1]);
    assert_eq!(font.container, "font");
    let [face] = font.faces.as_slice() else { panic!("{font:?}") };
    assert_eq!((face.family.as_str(), face.full_name.as_str()), ("Open Sans", "Open Sans Bold"));
    assert_eq!((face.weight, face.italic), (700, false));

    for text in [
        "WEBVTT\n\n00:01.000 --> 00:02.000\nHi",
        "\u{feff}1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n",
    ] {
        let subtitles = write("c", text.as_bytes());
        assert_eq!(subtitles.container, "subtitles");
        assert_eq!(subtitles.text.as_deref(), Some(text.trim_start_matches('\u{feff}')));
    }
}

#[test]
fn a_playlist_named_as_a_video_is_refused() {
    let folder = folder();
    let secret = tone(folder.path(), SoundCodec::Pcm16, "secret.wav");
    let secret = secret.display();
    let playlists = [
        format!("ffconcat version 1.0\nfile '{secret}'\n"),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n"),
        format!("#EXTM3U\n#EXTINF:5,\n{secret}\n"),
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n".to_owned(),
    ];
    for playlist in playlists {
        let path = folder.path().join("film.mp4");
        std::fs::write(&path, &playlist).unwrap();
        let error = facts(&path).unwrap_err();
        assert!(matches!(error, MediaError::BadInput(_)), "{playlist}: {error:?}");
    }
}

#[test]
fn a_heic_picture_is_refused_with_the_formats_to_use() {
    let folder = folder();
    let path = folder.path().join("IMG_0001.HEIC");
    std::fs::write(&path, b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHEmiafMiHBheic\0\0\0\x08mdat").unwrap();
    let error = facts(&path).unwrap_err();
    assert!(matches!(error, MediaError::Unsupported(_)), "{error:?}");
    assert!(error.to_string().contains("save it as JPEG"), "{error}");
}

#[test]
fn files_that_are_no_media_are_bad_input() {
    let folder = folder();
    let video_file = std::fs::read(video_file(folder.path())).unwrap();
    let font = crate::text::fonts::BUNDLED[0];
    let junk: Vec<u8> =
        (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let bad: [&[u8]; 8] = [
        b"",
        b"hello, this is text\n",
        b"<html><body>404</body></html>",
        b"{\"error\": \"not found\"}",
        &video_file[..video_file.len() / 3],
        &font[..100],
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=",
        &junk,
    ];
    for bytes in bad {
        let path = folder.path().join("bad.mp4");
        std::fs::write(&path, bytes).unwrap();
        let error = facts(&path).unwrap_err();
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        assert!(matches!(error, MediaError::BadInput(_)), "{head}: {error:?}");
        assert!(!error.to_string().contains(": ;"), "libav's reason is left out: {error}");
    }
}

#[test]
fn a_truncated_sound_still_has_its_stream() {
    let folder = folder();
    let whole = tone(folder.path(), SoundCodec::Pcm16, "tone.wav");
    let bytes = std::fs::read(whole).unwrap();
    let path = folder.path().join("cut.wav");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(facts(&path).unwrap().audio.len(), 1);
}

#[test]
fn a_truncated_font_is_refused_and_a_whole_one_is_read() {
    let folder = folder();
    let font = crate::text::fonts::BUNDLED[0];
    let path = folder.path().join("mine.ttf");
    // The header and the first tables are whole in all of these.
    for part in [2, 3, 5] {
        std::fs::write(&path, &font[..font.len() * (part - 1) / part]).unwrap();
        let error = facts(&path).unwrap_err();
        assert!(
            matches!(&error, MediaError::BadInput(sentence) if sentence.contains("is cut short")),
            "{error:?}"
        );
    }
    std::fs::write(&path, font).unwrap();
    assert_eq!(facts(&path).unwrap().container, "font");
}

#[test]
fn a_colour_table_is_read_to_its_end() {
    let folder = folder();
    let path = folder.path().join("warm.cube");
    let rows = "0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n1 1 1\n";
    // As tools on Windows write them: a byte-order mark, a title in Latin-1, and line ends of two
    // bytes.
    let mut windows = b"\xef\xbb\xbfTITLE \"W\xe4rme\"\r\nLUT_3D_SIZE 2\r\n".to_vec();
    windows.extend_from_slice(rows.replace('\n', "\r\n").as_bytes());
    let bare = format!("\u{feff}LUT_3D_SIZE 2\n{rows}").into_bytes();
    let licence = "# Nobody may do anything with this table but look at it.\n".repeat(200);
    let licensed = format!("{licence}LUT_3D_SIZE 2\n{rows}").into_bytes();
    for whole in
        [format!("TITLE \"warm\"\nLUT_3D_SIZE 2\n{rows}").into_bytes(), windows, bare, licensed]
    {
        std::fs::write(&path, whole).unwrap();
        assert_eq!(facts(&path).unwrap().container, "lut");
    }
    std::fs::write(&path, format!("LUT_3D_SIZE 2\n{}", rows.replace("0 1 0", "0 one 0"))).unwrap();
    let error = facts(&path).unwrap_err();
    assert!(
        matches!(&error, MediaError::BadInput(sentence) if sentence.contains("line 4")),
        "{error:?}"
    );
}
