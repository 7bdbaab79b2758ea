//! Golden frames of what needs more than the built-in fonts: every script of the installed fonts,
//! and every kind of source.

use super::finished::make;
use super::golden::{HEIGHT, WIDTH, compare};
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::picture::Scene;
use crate::text::FontFolders;
use crate::text::tests::{SCRIPTS, text};
use composition::plan::*;

fn text_frame(writing: &str, weight: u16) -> crate::picture::planes::Picture {
    let mut fixture = SegmentFixture::new(WIDTH as u32, HEIGHT as u32);
    let mut text = text(writing, 22);
    text.align = Align::Centre;
    text.vertical = VerticalAlign::Middle;
    text.runs[0].style.weight = weight;
    fixture.layer(Asset::Colour(Rgba([44, 62, 80, 255])));
    fixture.layer(Asset::Text(text));
    fixture.segment.machine_fonts = Some("those of the machine".into());
    let mut scene = Scene::open(&fixture.segment, &fixture.files, &FontFolders::default()).unwrap();
    let frame = scene.frame(0).unwrap();
    assert_eq!(scene.warnings(), Vec::<String>::new(), "{writing}");
    frame
}

#[test]
fn scripts_look_as_they_did() {
    let mut frames: Vec<_> =
        SCRIPTS.iter().map(|(script, writing)| (*script, text_frame(writing, 400))).collect();
    frames.extend([
        ("bidirectional", text_frame("abc שלום 123 مرحبا", 400)),
        ("emoji", text_frame("😀 👩‍🚀 👍🏽 ❤️ 🇩🇪", 400)),
        ("bold with emoji", text_frame("Bold 你好 😀", 700)),
    ]);
    compare("scripts", frames);
}

/// Draws a source on a white background; ffmpeg makes it from `arguments`.
fn source(name: &str, arguments: &str) -> crate::picture::planes::Picture {
    let mut fixture = SegmentFixture::new(WIDTH as u32, HEIGHT as u32);
    let path = fixture.path(name);
    if arguments.starts_with('<') {
        std::fs::write(&path, arguments).unwrap()
    } else {
        make(&path, arguments)
    }
    // As in the product, the file has no extension that would give its type.
    let bare = fixture.path("source");
    std::fs::rename(&path, &bare).unwrap();
    let path = bare;
    let source = fixture.add(&path);
    let facts = crate::probe::probe(&path, &source).unwrap();
    fixture.layer(Asset::Colour(Rgba([250, 245, 235, 255])));
    let picture = picture_of(source);
    let video = Video { deinterlace: facts.video[0].interlaced, ..video_of(picture.clone()) };
    fixture.layer(if facts.image { Asset::Image(picture) } else { Asset::Video(video) });
    fixture.frame(5)
}

#[test]
fn sources_look_as_they_did() {
    let test_card = "-f lavfi -i testsrc2=s=160x90:r=25:d=1";
    let still = format!("{test_card} -frames:v 1");
    let half_clear = "-f lavfi -i color=0x2060c0@0.5:s=160x90:r=25:d=1,format=yuva444p10le";
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 160 90'>\
        <circle cx='80' cy='45' r='40' fill='#d1495b'/>\
        <text x='58' y='54' font-size='28' fill='#fff'>SVG</text></svg>";
    compare(
        "sources",
        vec![
            ("H.264", source("a.mp4", &format!("{test_card} -pix_fmt yuv420p"))),
            (
                "H.265, 10 bits",
                source(
                    "b.mp4",
                    &format!(
                        "{test_card} -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=error"
                    ),
                ),
            ),
            (
                "ProRes 4444 with alpha",
                source(
                    "c.mov",
                    &format!("{half_clear} -c:v prores_ks -profile:v 4444 -alpha_bits 16"),
                ),
            ),
            (
                "WebM with alpha",
                source(
                    "d.webm",
                    &format!("{half_clear},format=yuva420p -c:v libvpx-vp9 -auto-alt-ref 0"),
                ),
            ),
            (
                "interlaced",
                source(
                    "e.ts",
                    &format!("{test_card} -vf interlace -flags +ildct+ilme -c:v mpeg2video -q:v 2"),
                ),
            ),
            ("animated GIF", source("f.gif", test_card)),
            ("JPEG", source("g.jpg", &format!("{still} -q:v 2"))),
            ("PNG", source("h.png", &still)),
            ("WebP", source("i.webp", &still)),
            (
                "AVIF",
                source(
                    "j.avif",
                    &format!(
                        "{still} -pix_fmt yuv420p -c:v libaom-av1 -still-picture 1 -cpu-used 8"
                    ),
                ),
            ),
            ("SVG", source("k.svg", svg)),
        ],
    );
}
