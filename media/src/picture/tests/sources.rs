//! Sources of other kinds: turned, in high dynamic range, interlaced, with alpha, drawn.

use super::clips::{Clip, number_in, still};
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::decode::convert::{Conversion, Converter, InterlacedFields};
use crate::picture::planes::{Chroma, rgb_of, yuv_of};
use composition::plan::*;
use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Packet, Rational, color, frame};
use std::path::Path;

/// Writes a clip of five equal frames in FFV1, with three 16-bit sample values and tags.
fn flat(path: &Path, pixels: Pixel, samples: [u16; 3], transfer: color::TransferCharacteristic) {
    let found = encoder::find_by_name("ffv1").expect("the encoder is there");
    let mut video = codec::Context::new_with_codec(found).encoder().video().expect("an encoder");
    video.set_width(64);
    video.set_height(48);
    video.set_format(pixels);
    video.set_time_base((1, 25));
    video.set_colorspace(color::Space::BT2020NCL);
    video.set_color_range(color::Range::MPEG);
    video.set_color_primaries(color::Primaries::BT2020);
    video.set_color_transfer_characteristic(transfer);
    let mut encoder = video.open_as(found).expect("it opens");
    let mut output = ffmpeg_next::format::output_as(path, "matroska").expect("the file begins");
    output.add_stream_with(&encoder).expect("a stream");
    output.write_header().expect("the header");
    let stream_time = output.stream(0).expect("the stream").time_base();
    for number in 0..5 {
        let mut frame = frame::Video::new(pixels, 64, 48);
        for (plane, sample) in samples.into_iter().enumerate() {
            frame
                .data_mut(plane)
                .chunks_exact_mut(2)
                .for_each(|two| two.copy_from_slice(&sample.to_le_bytes()));
        }
        frame.set_pts(Some(number));
        encoder.send_frame(&frame).expect("encoded");
        let mut packet = Packet::empty();
        encoder.receive_packet(&mut packet).expect("a packet");
        packet.set_stream(0);
        packet.rescale_ts(Rational(1, 25), stream_time);
        packet.write_interleaved(&mut output).expect("written");
    }
    output.write_trailer().expect("the end");
}

#[test]
fn high_dynamic_range_is_mapped_to_standard() {
    // PQ codes in 10 bits: black, 203 nits, and the peak of 1,000 nits.
    let code = |share: f64| (64.0 + share * 876.0).round() as u16;
    let mut seen = Vec::new();
    for share in [0.0, 0.5807, 0.7518] {
        let mut fixture = SegmentFixture::new(64, 48);
        let path = fixture.path("hdr.mkv");
        let pq = color::TransferCharacteristic::SMPTE2084;
        flat(&path, Pixel::YUV420P10LE, [code(share), 512, 512], pq);
        let source = fixture.add(&path);
        fixture.layer(Asset::Video(video_of(picture_of(source))));
        let frame = fixture.frame(2);
        assert!(frame.u.iter().all(|u| u.abs_diff(128) <= 1), "grey stays grey");
        seen.push(rgb_of(frame.y[100], 128, 128)[1]);
    }
    assert!(seen[0] <= 1 && (215..245).contains(&seen[1]) && seen[2] >= 253, "{seen:?}");
}

#[test]
fn ten_bits_and_another_matrix_give_the_same_colour() {
    // BT.2020 with the standard transfer function: only the matrix differs. Grey of one half.
    let mut fixture = SegmentFixture::new(64, 48);
    let path = fixture.path("wide.mkv");
    flat(&path, Pixel::YUV422P10LE, [502, 512, 512], color::TransferCharacteristic::BT709);
    let source = fixture.add(&path);
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    let frame = fixture.frame(0);
    assert!(frame.y.iter().all(|y| y.abs_diff(126) <= 1), "{}", frame.y[0]);
}

#[test]
fn the_wide_colours_of_bt2020_become_those_of_bt709() {
    // R 150 G 100 B 100 and R 120 G 170 B 110 in BT.2020, by BT.2087 on a screen of gamma 2.4.
    for (codes, right) in [([453, 487, 600], [173, 91, 99]), ([591, 431, 433], [67, 175, 101])] {
        let mut fixture = SegmentFixture::new(64, 48);
        let path = fixture.path("wide.mkv");
        flat(&path, Pixel::YUV444P10LE, codes, color::TransferCharacteristic::BT2020_10);
        let source = fixture.add(&path);
        fixture.layer(Asset::Video(video_of(picture_of(source))));
        let frame = fixture.frame(0);
        let seen = rgb_of(frame.y[100], frame.u[40], frame.v[40]);
        let close = seen.iter().zip(right).all(|(seen, right)| seen.abs_diff(right) <= 4);
        assert!(close, "{seen:?} and not {right:?}");
    }
}

#[test]
fn a_turned_picture_is_shown_upright() {
    let mut fixture = SegmentFixture::new(60, 80);
    let path = fixture.path("turned.mkv");
    let clip = Clip {
        width: 80,
        height: 60,
        format: "matroska",
        turn: Some("90"),
        ..Clip::even((25, 1), 3)
    };
    clip.make(&path);
    let source = fixture.add(&path);
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    // Frame 1 has its lowest bit set, which is drawn at the left edge; turned clockwise, that is
    // the top.
    let frame = fixture.frame(1);
    assert!(frame.y[2 * 60 + 30] > 200 && frame.y[40 * 60 + 30] < 40 && frame.y[77 * 60 + 30] < 40);
}

#[test]
fn still_fields_are_woven_and_moving_ones_are_not_combed() {
    let draw = |level: &dyn Fn(usize) -> u8| {
        let mut frame = frame::Video::new(Pixel::YUV420P, 64, 48);
        for plane in 0..3 {
            let stride = frame.stride(plane);
            let rows = frame.data_mut(plane).chunks_mut(stride).enumerate();
            rows.for_each(|(row, line)| line.fill(if plane == 0 { level(row) } else { 128 }));
        }
        frame.set_color_space(color::Space::BT709);
        frame.set_color_range(color::Range::MPEG);
        frame
    };
    let conversion = Conversion {
        crop: [0.0, 0.0, 1.0, 1.0],
        width: 64,
        height: 48,
        chroma: Chroma::Halved,
        rotation: 0,
    };
    let whole = |current: &frame::Video, next: Option<&frame::Video>| {
        Converter::default()
            .convert(current, Some(InterlacedFields { next }), conversion)
            .expect("it converts")
    };
    let ramp = draw(&|row| 40 + row as u8 * 3);
    assert!(
        whole(&ramp, Some(&ramp))
            .y
            .chunks(64)
            .enumerate()
            .all(|(row, line)| line[9] == 40 + row as u8 * 3)
    );
    let combed = draw(&|row| if row % 2 == 0 { 200 } else { 30 });
    let after = draw(&|_| 30);
    let finished = whole(&combed, Some(&after));
    let levels: std::collections::BTreeSet<u8> = finished.y.iter().copied().collect();
    assert_eq!(levels.len(), 1, "one field's level over all lines: {levels:?}");
}

#[test]
fn an_animated_gif_keeps_its_times_and_repeats() {
    let mut fixture = SegmentFixture::new(160, 96);
    let clip = Clip {
        format: "gif",
        codec: "gif",
        options: &[],
        pixels: Pixel::BGR8,
        time_base: (1, 100),
        times: (0..10).map(|frame| frame * 10).collect(),
        ..Clip::even((10, 1), 0)
    };
    let source = fixture.clip(&clip);
    fixture.layer(Asset::Video(Video { repeat: Some(Ratio::ONE), ..video_of(picture_of(source)) }));
    // Ten frames a second, shown at 25, and repeated after a second.
    let seen: Vec<usize> =
        [0, 3, 13, 24, 25, 30].map(|frame| number_in(&fixture.frame(frame))).to_vec();
    assert_eq!(seen, [0, 1, 5, 9, 0, 2]);
}

#[test]
fn an_animated_webp_keeps_its_times_and_pictures() {
    // A lossless file, whose frames hold only what changed, and a lossy one.
    let lossless: &[(&str, &str)] = &[("lossless", "1")];
    for options in [lossless, &[("quality", "90")]] {
        let mut fixture = SegmentFixture::new(160, 96);
        let clip = Clip {
            format: "webp",
            codec: "libwebp_anim",
            options,
            pixels: Pixel::BGRA,
            time_base: (1, 1000),
            times: vec![0, 100, 133, 300, 340, 500],
            ..Clip::even((10, 1), 0)
        };
        let source = fixture.clip(&clip);
        let facts = crate::probe::probe(&fixture.path("0.webp"), &source).expect("it is probed");
        assert!(!facts.image && facts.video[0].variable_rate, "{facts:?}");
        fixture.layer(Asset::Video(video_of(picture_of(source))));
        // Shown at 25, forwards, backwards and past the end.
        let seen: Vec<usize> =
            [0, 2, 3, 4, 8, 9, 39, 1].map(|frame| number_in(&fixture.frame(frame))).to_vec();
        assert_eq!(seen, [0, 0, 1, 2, 3, 4, 5, 0], "{options:?}");
    }
}

#[test]
fn an_svg_is_drawn_at_the_size_it_is_shown_at() {
    let mut fixture = SegmentFixture::new(100, 100);
    let path = fixture.path("disc.svg");
    let svg = r##"
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" width="10" height="10">
        <image href="/etc/passwd" width="10" height="10"/>
        <circle cx="5" cy="5" r="5" fill="#00f"/></svg>"##;
    std::fs::write(&path, svg).unwrap();
    let source = fixture.add(&path);
    fixture.layer(Asset::Image(picture_of(source)));
    let frame = fixture.frame(0);
    let blue = yuv_of(0, 0, 255)[0];
    let share = frame.y.iter().filter(|&&y| y.abs_diff(blue) <= 1).count() as f64 / 10_000.0;
    assert!((share - std::f64::consts::FRAC_PI_4).abs() < 0.02, "{share}");
    assert_eq!(frame.y[0], 16);
}

#[test]
fn broken_sources_are_bad_input() {
    for (name, bytes) in [
        ("a.svg", &b"<svg xmlns='http://www.w3.org/2000/svg'><g>"[..]),
        ("b.png", b"\x89PNG\r\n\x1a\nrubbish"),
    ] {
        let mut fixture = SegmentFixture::new(64, 48);
        let path = fixture.path(name);
        std::fs::write(&path, bytes).unwrap();
        let source = fixture.add(&path);
        fixture.layer(Asset::Image(picture_of(source)));
        let fonts = crate::text::FontFolders(vec![]);
        let opened = crate::picture::Scene::open(&fixture.segment, &fixture.files, &fonts);
        let failed = opened.and_then(|mut scene| scene.frame(0));
        assert!(matches!(failed, Err(crate::MediaError::BadInput(_))), "{name}: {failed:?}");
    }
}

#[test]
fn a_key_colour_shows_the_layer_below() {
    let mut fixture = SegmentFixture::new(64, 48);
    let path = fixture.path("green.png");
    still(&path, 64, 48, Rgba([0, 220, 20, 255]));
    let source = fixture.add(&path);
    fixture.layer(Asset::Colour(Rgba::WHITE));
    fixture.layer(Asset::Image(picture_of(source))).chroma_key = Some(ChromaKey {
        colour: Rgba([0, 220, 20, 255]),
        threshold: Micro::from_f64(0.1),
        halo: Micro::from_f64(0.05),
    });
    assert!(fixture.frame(0).y.iter().all(|&y| y == 235));
}
