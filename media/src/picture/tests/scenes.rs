//! Assertions about single composited frames.

use super::clips::{Clip, number_in, still};
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::picture::planes::yuv_of;
use composition::plan::*;

fn micro(value: f64) -> Micro {
    Micro::from_f64(value)
}

fn fade(start: u64, frames: u64) -> Option<Transition> {
    Some(Transition { kind: TransitionKind::Fade, start, frames, easing: Easing::Linear })
}

#[test]
fn a_colour_fills_the_canvas_exactly() {
    let mut fixture = SegmentFixture::new(64, 48);
    fixture.layer(Asset::Colour(Rgba([200, 30, 90, 255])));
    let frame = fixture.frame(0);
    let [y, u, v] = yuv_of(200, 30, 90);
    assert!(frame.y.iter().all(|&value| value == y));
    assert!(
        frame.u.iter().all(|&value| value.abs_diff(u) <= 1)
            && frame.v.iter().all(|&value| value.abs_diff(v) <= 1)
    );
}

#[test]
fn a_clip_of_the_canvas_size_keeps_every_frame() {
    let mut fixture = SegmentFixture::new(160, 96);
    let source = fixture.clip(&Clip::even((25, 1), 30));
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    for frame in [0, 1, 7, 20, 29] {
        assert_eq!(number_in(&fixture.frame(frame)), frame as usize);
    }
}

#[test]
fn trim_and_speed_choose_the_frames() {
    let mut fixture = SegmentFixture::new(160, 96);
    let source = fixture.clip(&Clip::even((25, 1), 60));
    let trim = Ratio::new(10, 25).unwrap();
    fixture.layer(Asset::Video(Video {
        trim,
        speed: Ratio::whole(2),
        ..video_of(picture_of(source))
    }));
    for frame in [0, 5, 20] {
        assert_eq!(number_in(&fixture.frame(frame)), 10 + 2 * frame as usize);
    }
}

#[test]
fn a_clip_of_another_rate_is_resampled_by_time() {
    let mut fixture = SegmentFixture::new(160, 96);
    let source = fixture.clip(&Clip::even((50, 1), 60));
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    assert_eq!(number_in(&fixture.frame(10)), 20);
    let mut fixture = SegmentFixture::new(160, 96);
    let source = fixture.clip(&Clip::even((10, 1), 20));
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    let seen: Vec<usize> = (0..6).map(|frame| number_in(&fixture.frame(frame))).collect();
    assert_eq!(seen, [0, 0, 0, 1, 1, 2]);
}

#[test]
fn a_fade_mixes_by_its_share() {
    let mut fixture = SegmentFixture::new(32, 32);
    fixture.layer(Asset::Colour(Rgba::BLACK));
    fixture.layer(Asset::Colour(Rgba::WHITE)).enter = fade(0, 10);
    for (frame, luma) in [(0, 16), (5, 126), (10, 235), (20, 235)] {
        assert!(fixture.frame(frame).y[0].abs_diff(luma) <= 1, "frame {frame}");
    }
}

#[test]
fn two_clips_that_overlap_with_a_fade_are_mixed_frame_for_frame() {
    let mut fixture = SegmentFixture::new(160, 96);
    let first = fixture.clip(&Clip::even((25, 1), 40));
    let second = fixture.clip(&Clip { gop: 30, ..Clip::even((25, 1), 40) });
    fixture.layer(Asset::Video(video_of(picture_of(first)))).show = Span { from: 0, to: 20 };
    let upper = fixture.layer(Asset::Video(video_of(picture_of(second))));
    upper.show = Span { from: 10, to: 40 };
    upper.enter = fade(0, 10);
    let luma_of = |fixture: &mut SegmentFixture, frame| fixture.frame(frame).y;
    let mixed = luma_of(&mut fixture, 15);
    // Frame 15 below, frame 5 above: where their bits differ, the mean of black and white.
    let grey = mixed.iter().filter(|&&y| y.abs_diff(126) <= 4).count();
    let differing = (5usize ^ 15).count_ones() as usize;
    assert!(grey.abs_diff(differing * 16 * 96) < 400, "{grey}");
    assert_eq!(number_in(&fixture.frame(25)), 15);
}

#[test]
fn a_still_fills_its_box_and_nothing_else() {
    let mut fixture = SegmentFixture::new(100, 60);
    let path = fixture.path("white.png");
    still(&path, 10, 10, Rgba::WHITE);
    let source = fixture.add(&path);
    let layer = fixture.layer(Asset::Image(picture_of(source)));
    layer.placement.width = Micro::whole(20);
    layer.placement.height = Micro::whole(10);
    layer.placement.x = Curve::Still(Micro::whole(30));
    layer.placement.y = Curve::Still(Micro::whole(40));
    let frame = fixture.frame(0);
    for row in 0..60 {
        for column in 0..100 {
            let inside = (30..50).contains(&column) && (40..50).contains(&row);
            let luma = frame.y[row * 100 + column];
            assert!(luma.abs_diff(if inside { 235 } else { 16 }) <= 1, "{column},{row}: {luma}");
        }
    }
}

#[test]
fn a_clear_still_mixes_by_its_alpha() {
    let mut fixture = SegmentFixture::new(32, 32);
    let path = fixture.path("veil.png");
    still(&path, 16, 16, Rgba([255, 255, 255, 128]));
    let source = fixture.add(&path);
    fixture.layer(Asset::Image(picture_of(source)));
    let frame = fixture.frame(0);
    assert!(frame.y.iter().all(|y| y.abs_diff(126) <= 2), "{:?}", &frame.y[..8]);
}

#[test]
fn contain_leaves_bars_and_blur_fills_them() {
    let mut fixture = SegmentFixture::new(64, 64);
    let path = fixture.path("wide.png");
    still(&path, 64, 32, Rgba([0, 0, 255, 255]));
    let source = fixture.add(&path);
    let band = Rect { x: Micro::ZERO, y: micro(0.25), width: Micro::ONE, height: micro(0.5) };
    fixture.layer(Asset::Image(Picture { into: band, ..picture_of(source.clone()) }));
    let frame = fixture.frame(0);
    let blue = yuv_of(0, 0, 255)[0];
    assert_eq!((frame.y[8 * 64 + 5], frame.y[60 * 64 + 5]), (16, 16));
    assert!(frame.y[32 * 64 + 5].abs_diff(blue) <= 1);
    let crop = Rect { x: micro(0.25), y: Micro::ZERO, width: micro(0.5), height: Micro::ONE };
    let backdrop = Some(Backdrop { crop, sigma: Micro::whole(4) });
    let mut fixture = fixture.without_layers();
    fixture.layer(Asset::Image(Picture { into: band, backdrop, ..picture_of(source) }));
    assert!(fixture.frame(0).y.iter().all(|y| y.abs_diff(blue) <= 2));
}

#[test]
fn a_wipe_shows_the_part_behind_its_edge() {
    let mut fixture = SegmentFixture::new(100, 20);
    fixture.layer(Asset::Colour(Rgba::WHITE)).enter = Some(Transition {
        kind: TransitionKind::Wipe(Direction::Right),
        start: 0,
        frames: 10,
        easing: Easing::Linear,
    });
    let frame = fixture.frame(4);
    let row = &frame.y[1000..1100];
    assert!(row[..39].iter().all(|&y| y == 235) && row[41..].iter().all(|&y| y == 16), "{row:?}");
}

#[test]
fn a_carousel_moves_in_from_outside_the_canvas() {
    let mut fixture = SegmentFixture::new(100, 20);
    fixture.layer(Asset::Colour(Rgba::WHITE)).enter = Some(Transition {
        kind: TransitionKind::Carousel(Direction::Left),
        start: 0,
        frames: 10,
        easing: Easing::Linear,
    });
    let lit_columns = |fixture: &mut SegmentFixture, frame| {
        fixture.frame(frame).y[1000..1100].iter().filter(|&&y| y > 126).count()
    };
    assert_eq!(
        [lit_columns(&mut fixture, 0), lit_columns(&mut fixture, 3), lit_columns(&mut fixture, 10)],
        [0, 30, 100]
    );
}

#[test]
fn a_slow_zoom_moves_by_less_than_a_pixel_without_steps() {
    let mut fixture = SegmentFixture::new(200, 100);
    let path = fixture.path("edge.png");
    // A white square in the middle of black.
    let mut picture = crate::picture::planes::Picture::filled(200, 100, Rgba::BLACK);
    for row in 30..70 {
        picture.y[row * 200 + 80..row * 200 + 120].fill(235);
    }
    crate::encode::still::write_still(&picture, &path).unwrap();
    let source = fixture.add(&path);
    let none = [Micro::ZERO; 2];
    fixture.layer(Asset::Image(picture_of(source))).placement.drift =
        Some(Drift { frames: 40, scale: [Micro::ONE, micro(1.1)], x: none, y: none });
    // The sum of light along the middle row is the square's width: it must grow with every frame,
    // and evenly.
    let width = |fixture: &mut SegmentFixture, frame| {
        let row = fixture.frame(frame).y[50 * 200..51 * 200].to_vec();
        row.iter().map(|&y| f64::from(y) - 16.0).sum::<f64>() / 219.0
    };
    let widths: Vec<f64> = (0..40).map(|frame| width(&mut fixture, frame)).collect();
    for (frame, pair) in widths.windows(2).enumerate() {
        let step = pair[1] - pair[0];
        assert!((0.02..0.2).contains(&step), "frame {frame}: {step}");
    }
    assert!((widths[39] / widths[0] - 1.0975).abs() < 0.01);
}

#[test]
fn a_turned_box_covers_its_exact_area() {
    let mut fixture = SegmentFixture::new(100, 100);
    let layer = fixture.layer(Asset::Colour(Rgba::WHITE));
    layer.placement.width = Micro::whole(40);
    layer.placement.height = Micro::whole(40);
    layer.placement.x = Curve::Still(Micro::whole(30));
    layer.placement.y = Curve::Still(Micro::whole(30));
    layer.placement.angle = Curve::Still(Micro::whole(45));
    let frame = fixture.frame(0);
    let area: f64 = frame.y.iter().map(|&y| (f64::from(y) - 16.0) / 219.0).sum();
    assert!((area - 1600.0).abs() < 20.0, "{area}");
    let at = |x: usize, y: usize| frame.y[y * 100 + x];
    assert_eq!((at(50, 50), at(50, 24), at(33, 33)), (235, 235, 16));
}

#[test]
fn a_matte_shows_its_layer_by_brightness() {
    let mut fixture = SegmentFixture::new(64, 32);
    fixture.layer(Asset::Colour(Rgba::WHITE));
    let mut matte = fixture.layers()[0].clone();
    matte.placement.width = Micro::whole(32);
    matte.asset = Asset::Colour(Rgba([128, 128, 128, 255]));
    fixture.layers()[0].mattes = vec![matte];
    let frame = fixture.frame(0);
    assert!(frame.y[5].abs_diff(126) <= 2 && frame.y[60] == 16, "{} {}", frame.y[5], frame.y[60]);
}

#[test]
fn every_blend_mode_filter_and_key_draws() {
    let mut fixture = SegmentFixture::new(32, 32);
    fixture.layer(Asset::Colour(Rgba([200, 100, 50, 255])));
    let top = fixture.layer(Asset::Colour(Rgba([128, 128, 128, 255])));
    top.blend = Blend::Multiply;
    let [y, u, v] = yuv_of(100, 50, 25);
    let frame = fixture.frame(0);
    assert!(
        frame.y[0].abs_diff(y) <= 2 && frame.u[0].abs_diff(u) <= 2 && frame.v[0].abs_diff(v) <= 2
    );
    let mut fixture = fixture.without_layers();
    let layer = fixture.layer(Asset::Colour(Rgba([200, 30, 90, 255])));
    layer.filters = vec![Filter::Negative, Filter::Greyscale];
    let frame = fixture.frame(0);
    assert!(frame.y[0].abs_diff(yuv_of(55, 225, 165)[0]) <= 2);
    assert!(frame.u.iter().all(|&value| value == 128));
}
