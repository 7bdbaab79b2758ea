//! Unusual sources: pixels that are not square, full range, odd sizes, several sounds or none.

use super::finished::{VideoMaker, make};
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::MediaError;
use crate::probe::probe;
use composition::plan::*;

/// Draws the file as a layer over white, on a canvas of this size.
fn drawn(
    arguments: &str,
    name: &str,
    (width, height): (u32, u32),
    frame: u64,
) -> crate::picture::planes::Picture {
    let mut fixture = SegmentFixture::new(width, height);
    let path = fixture.path(name);
    make(&path, arguments);
    let source = fixture.add(&path);
    let still = probe(&path, &source).unwrap().image;
    fixture.layer(Asset::Colour(Rgba::WHITE));
    let picture = picture_of(source);
    fixture.layer(if still { Asset::Image(picture) } else { Asset::Video(video_of(picture)) });
    fixture.frame(frame)
}

fn near(found: u8, expected: u8, tolerance: u8) -> bool {
    found.abs_diff(expected) <= tolerance
}

#[test]
fn codecs_that_are_not_on_the_list_are_refused_by_name() {
    let mut fixture = SegmentFixture::new(64, 48);
    let picture = "-f lavfi -i color=red:s=96x48:r=25:d=1";
    let sound = "-f lavfi -i sine=r=8000:d=1 -ac 1";
    for (name, coded_as, arguments) in [
        ("magic.mkv", "magicyuv", format!("{picture} -pix_fmt yuv420p -c:v magicyuv")),
        ("cinepak.mov", "cinepak", format!("{picture} -c:v cinepak")),
        ("v210.mov", "v210", format!("{picture} -pix_fmt yuv422p10 -c:v v210")),
        ("g726.wav", "adpcm_g726", format!("{sound} -c:a g726")),
    ] {
        let path = fixture.path(name);
        make(&path, &arguments);
        let error = probe(&path, &fixture.add(&path)).unwrap_err();
        assert!(matches!(error, MediaError::Unsupported(_)), "{name}: {error:?}");
        assert!(error.to_string().contains(&format!("is coded as {coded_as},")), "{error}");
    }
}

#[test]
fn full_range_is_converted_to_limited() {
    for (range, format) in
        [("pc", "yuvj420p"), ("tv", "yuv420p"), ("pc", "yuvj444p"), ("tv", "yuv422p")]
    {
        for size in ["64x48", "128x96"] {
            let arguments = format!(
                "-f lavfi -i color=0x808080:s={size}:r=25:d=1 \
                 -vf scale=out_range={range}:out_color_matrix=bt709 -pix_fmt {format} \
                 -color_range {range} -colorspace bt709 -c:v ffv1"
            );
            let frame = drawn(&arguments, "range.mkv", (64, 48), 3);
            assert!(
                frame.y.iter().all(|&y| near(y, 126, 1)),
                "{range} {format} {size}: {}",
                frame.y[0]
            );
        }
    }
}

#[test]
fn pixels_that_are_not_square_are_shown_in_their_shape() {
    let mut maker = VideoMaker::new();
    let facts = maker.make_source(
        "wide.mp4",
        "-f lavfi -i color=red:s=64x48:r=25:d=1 -vf setsar=2/1 -pix_fmt yuv420p",
    );
    assert_eq!(facts.video[0].sar, Ratio::whole(2));
    assert_eq!(facts.video[0].shown_size(), (128, 48));
    let document = serde_json::json!({
        "timeline": { "tracks": [ { "clips": [
            { "asset": { "type": "video", "src": "wide.mp4" },
              "start": 0, "length": 1, "fit": "contain" } ] } ] },
        "output": { "format": "mp4", "size": { "width": 128, "height": 128 }, "fps": 25 },
    });
    let finished = maker.finish(&document, "out.mp4");
    let facts = probe(&finished.path, &SourceHash("00".into())).unwrap();
    assert_eq!(facts.video[0].sar, Ratio::ONE);
    let mut fixture = SegmentFixture::new(128, 128);
    let source = fixture.add(&finished.path);
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    let frame = fixture.frame(5);
    let rows = (0..128).filter(|row| frame.y[row * 128 + 64] > 40).count();
    assert!(
        (46..=50).contains(&rows) && frame.y[64 * 128 + 2] > 40,
        "{rows} rows over the whole width"
    );
}

#[test]
fn odd_sizes_keep_their_edges() {
    for format in ["yuv444p", "yuv420p", "gray", "bgr0"] {
        let arguments =
            format!("-f lavfi -i color=red:s=63x47:r=25:d=1 -vf format={format} -c:v ffv1");
        let frame = drawn(&arguments, "odd.mkv", (64, 48), 0);
        let middle = frame.y[24 * 64 + 32];
        for at in [0, 63, 47 * 64, 47 * 64 + 63] {
            assert!(
                near(frame.y[at], middle, 3),
                "{format}: {} in the corner, {middle} in the middle",
                frame.y[at]
            );
        }
    }
}

#[test]
fn prores_4444_keeps_its_alpha() {
    let arguments = "-f lavfi -i color=black@0.5:s=64x48:r=25:d=1,format=yuva444p10le \
        -c:v prores_ks -profile:v 4444 -alpha_bits 16";
    let frame = drawn(arguments, "clear.mov", (64, 48), 2);
    let grey = frame.y[24 * 64 + 32];
    assert!(near(grey, 126, 3), "half of black over white is {grey}");
}

#[test]
fn vp8_and_vp9_keep_their_alpha() {
    for codec in ["libvpx", "libvpx-vp9"] {
        let arguments = format!(
            "-f lavfi -i color=black@0.5:s=64x48:r=25:d=1,format=yuva420p -c:v {codec} \
             -auto-alt-ref 0 -crf 10 -b:v 1M"
        );
        let frame = drawn(&arguments, "clear.webm", (64, 48), 2);
        let grey = frame.y[24 * 64 + 32];
        assert!(near(grey, 126, 4), "{codec}: half of black over white is {grey}");
    }
}

#[test]
fn a_picture_of_one_bit_a_pixel_is_cropped_exactly() {
    for format in ["monob", "monow"] {
        let bars = format!(
            "-f lavfi -i color=black:s=96x48 \
             -vf drawbox=x=48:w=48:h=48:c=white:t=fill,format={format} -frames:v 1"
        );
        let mut fixture = SegmentFixture::new(64, 48);
        let path = fixture.path(if format == "monob" { "bits.png" } else { "bits.tiff" });
        make(&path, &bars);
        let source = fixture.add(&path);
        let right = Rect {
            x: Micro(333_333),
            y: Micro(0),
            width: Micro(666_667),
            height: Micro(1_000_000),
        };
        fixture.layer(Asset::Image(Picture { crop: right, ..picture_of(source) }));
        let frame = fixture.frame(0);
        let seen = [4, 12, 20, 60].map(|x| frame.y[24 * 64 + x]);
        assert_eq!(seen, [16, 16, 235, 235], "{format}");
    }
}

#[test]
fn colours_of_16_bits_with_alpha_are_those_of_8() {
    for format in ["rgba", "rgba64be", "gray16be", "ya16be", "rgb48be"] {
        let colour = if format.starts_with("rgb") { "red" } else { "0x808080" };
        let arguments =
            format!("-f lavfi -i color={colour}:s=64x48,format=gbrp,format={format} -frames:v 1");
        let frame = drawn(&arguments, "deep.png", (64, 48), 0);
        let [y, u, v] = if colour == "red" { [63, 102, 240] } else { [126, 128, 128] };
        let found = [frame.y[99], frame.u[99], frame.v[99]];
        assert!(
            near(found[0], y, 2) && near(found[1], u, 2) && near(found[2], v, 2),
            "{format}: {found:?}"
        );
    }
}

#[test]
fn an_avif_is_a_still() {
    let arguments = "-f lavfi -i color=0x2050a0:s=64x48,format=yuv420p -frames:v 1 \
        -c:v libaom-av1 -still-picture 1 -cpu-used 8";
    let fixture = SegmentFixture::new(64, 48);
    let path = fixture.path("still.avif");
    make(&path, arguments);
    let facts = probe(&path, &SourceHash("00".into())).unwrap();
    assert!(facts.image && facts.duration.is_none(), "{facts:?}");
    assert_eq!((facts.video[0].codec.as_str(), facts.video[0].width), ("av1", 64));
    let frame = drawn(arguments, "again.avif", (64, 48), 7);
    let [y, u, v] = crate::picture::planes::yuv_of(0x20, 0x50, 0xa0);
    assert!(
        near(frame.y[99], y, 6) && near(frame.u[99], u, 8) && near(frame.v[99], v, 8),
        "{} {y}",
        frame.y[99]
    );
}

#[test]
fn several_sounds_are_listed_and_a_video_without_sound_has_none() {
    let mut maker = VideoMaker::new();
    let facts = maker.make_source(
        "two.mkv",
        "-f lavfi -i color=red:s=64x48:r=25:d=1 -f lavfi -i sine=440:d=1 \
         -f lavfi -i sine=880:d=1:r=44100 -map 0 -map 1 -map 2 -c:a pcm_s16le",
    );
    let sounds: Vec<(u32, u32)> =
        facts.audio.iter().map(|audio| (audio.index, audio.rate)).collect();
    assert_eq!(sounds, [(1, 44_100), (2, 44_100)]);
    let silent = maker
        .make_source("silent.mp4", "-f lavfi -i color=red:s=64x48:r=25:d=1 -an -pix_fmt yuv420p");
    assert!(silent.audio.is_empty());
    let document = |src: &str| {
        serde_json::json!({
            "timeline": { "tracks": [ { "clips": [
                { "asset": { "type": "video", "src": src }, "start": 0, "length": 1 } ] } ] },
            "output": {
                "format": "mp4", "size": { "width": 64, "height": 48 }, "fps": 25,
                "loudness": false },
        })
    };
    // The first sound is heard: 440 upward crossings in its second.
    let finished = maker.finish(&document("two.mkv"), "two.mp4");
    let mut reader = crate::sound::reader::SoundReader::open(&finished.path, 1, 48_000, 0).unwrap();
    let mut samples = vec![[0.0_f32; 2]; 48_000];
    reader.fill(&mut samples).unwrap();
    let upward = samples.windows(2).filter(|two| two[0][0] <= 0.0 && two[1][0] > 0.0).count();
    assert!((430..450).contains(&upward), "{upward}");
    let finished = maker.finish(&document("silent.mp4"), "silent.out.mp4");
    assert!(finished.plan.sound.is_none());
    assert!(probe(&finished.path, &SourceHash("00".into())).unwrap().audio.is_empty());
}

/// Returns the bytes of a picture with an Exif block that states an orientation.
fn oriented(name: &str, bytes: &[u8], orientation: u8) -> Vec<u8> {
    let block = [
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(),
        &[orientation, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let length = |bytes: &[u8]| bytes.len() as u32;
    match name {
        "jpg" => {
            let body = [b"Exif\0\0".as_slice(), &block].concat();
            let size = (body.len() as u16 + 2).to_be_bytes();
            [&bytes[..2], b"\xff\xe1", &size, &body, &bytes[2..]].concat()
        }
        // After the header, which ends at byte 33; decoders that check the checksum ignore the
        // chunk.
        "png" => {
            [&bytes[..33], &length(&block).to_be_bytes(), b"eXIf", &block, &[0; 4], &bytes[33..]]
                .concat()
        }
        _ => {
            let extended = b"VP8X\x0a\0\0\0\x08\0\0\0\x3f\0\0\x3f\0\0";
            let rest = [
                b"WEBP",
                extended.as_slice(),
                &bytes[12..],
                b"EXIF",
                &length(&block).to_le_bytes(),
                &block,
            ]
            .concat();
            [b"RIFF", &length(&rest).to_le_bytes()[..], &rest].concat()
        }
    }
}

#[test]
fn pictures_are_turned_and_mirrored_as_their_exif_says() {
    const BLACK: u8 = 16;
    const GREY: u8 = 126;
    const WHITE: u8 = 235;
    // Stored: white at the left top, grey at the right top. Shown, by orientation: left top, right
    // top, left bottom, right bottom.
    let shown = [
        [WHITE, GREY, BLACK, BLACK],
        [GREY, WHITE, BLACK, BLACK],
        [BLACK, BLACK, GREY, WHITE],
        [BLACK, BLACK, WHITE, GREY],
        [WHITE, BLACK, GREY, BLACK],
        [BLACK, WHITE, BLACK, GREY],
        [BLACK, GREY, BLACK, WHITE],
        [GREY, BLACK, WHITE, BLACK],
    ];
    for (name, codec) in [("jpg", "mjpeg -q:v 2"), ("png", "png"), ("webp", "libwebp -lossless 1")]
    {
        let corners = "drawbox=w=32:h=32:c=white:t=fill,drawbox=x=32:w=32:h=32:c=0x808080:t=fill";
        let arguments = format!(
            "-f lavfi -i color=black:s=64x64,format=gbrp -vf {corners} -frames:v 1 -c:v {codec}"
        );
        let mut fixture = SegmentFixture::new(64, 64);
        make(&fixture.path(&format!("plain.{name}")), &arguments);
        let plain = std::fs::read(fixture.path(&format!("plain.{name}"))).unwrap();
        for (orientation, expected) in (1..).zip(shown) {
            let path = fixture.path(&format!("{orientation}.{name}"));
            std::fs::write(&path, oriented(name, &plain, orientation)).unwrap();
            let source = fixture.add(&path);
            fixture.layers().clear();
            fixture.layer(Asset::Image(picture_of(source)));
            let frame = fixture.frame(0);
            let seen = [(8, 8), (56, 8), (8, 56), (56, 56)].map(|(x, y)| frame.y[y * 64 + x]);
            // The JPEG encoder is not exact about its range.
            let close = seen.iter().zip(expected).all(|(seen, expected)| near(*seen, expected, 20));
            assert!(close, "{name}, orientation {orientation}: {seen:?} and not {expected:?}");
        }
    }
}
