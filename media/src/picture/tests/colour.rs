//! Output in RGB is composited in 4:4:4, loses no colour, and otherwise looks like the video.

use super::clips::Clip;
use super::segments::{SegmentFixture, picture_of, video_of};
use crate::encode::frames::rgb_rows;
use crate::picture::planes::{Chroma, Picture as Frame};
use crate::picture::render_still;
use crate::text::FontFolders;
use crate::text::tests::text;
use composition::plan::*;

const WIDTH: usize = 160;
const HEIGHT: usize = 90;

/// Draws red and blue columns, each a pixel wide.
fn stripes(fixture: &mut SegmentFixture) -> SourceHash {
    let path = fixture.path("stripes.svg");
    let bars: String = (0..32)
        .map(|at| format!("<path d='M{} 0v48' stroke='#f00'/>", at as f32 * 2.0 + 0.5))
        .collect();
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'>\
         <rect width='64' height='48' fill='#00f'/>{bars}</svg>"
    );
    std::fs::write(&path, svg).unwrap();
    fixture.add(&path)
}

fn in_rgb(fixture: &mut SegmentFixture) {
    fixture.segment.recipe.pixel_format = PixelFormat::Rgb;
}

fn assert_striped(frame: &Frame, name: &str) {
    for (at, pixel) in rgb_rows(frame).chunks_exact(3).enumerate() {
        let expected: [u8; 3] = if at % 2 == 0 { [255, 0, 0] } else { [0, 0, 255] };
        let difference =
            pixel.iter().zip(expected).map(|(is, expected)| is.abs_diff(expected)).max();
        assert!(
            difference <= Some(6),
            "{name}: pixel {at} is {pixel:?} and should be {expected:?}"
        );
    }
}

#[test]
fn a_lossless_picture_keeps_the_colour_of_every_pixel() {
    let mut fixture = SegmentFixture::new(64, 48);
    in_rgb(&mut fixture);
    let source = stripes(&mut fixture);
    fixture.layer(Asset::Image(picture_of(source)));
    assert_striped(&fixture.frame(0), "composited");
    let out = fixture.path("out.png");
    render_still(&fixture.segment, 0, &fixture.files, &FontFolders(vec![]), &out).unwrap();
    // The file is also read again as a source.
    let mut second = fixture.without_layers();
    let source = second.add(&out);
    second.layer(Asset::Image(picture_of(source)));
    assert_striped(&second.frame(0), "written as PNG and read");
    let lossless = fixture.segment.recipe;
    fixture.segment.recipe =
        Recipe { codec: VideoCodec::Ffv1, colour: ColourTags::SrgbFull, ..lossless };
    let mut second = fixture.without_layers();
    let source = second.add(&fixture.render("out.mkv"));
    second.layer(Asset::Video(video_of(picture_of(source))));
    assert_striped(&second.frame(3), "written as FFV1 and read");
}

/// Composites the same frame in 4:2:0 and in 4:4:4.
fn in_both_densities(fixture: &SegmentFixture) -> (Frame, Frame) {
    let mut dense = fixture.without_layers();
    dense.segment.layers.clone_from(&fixture.segment.layers);
    in_rgb(&mut dense);
    let (sparse, dense) = (fixture.frame(7), dense.frame(7));
    assert_eq!((sparse.chroma, dense.chroma), (Chroma::Halved, Chroma::Full));
    (sparse, dense)
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(sum) / a.len() as f64
}

/// Asserts that luma differs by at most `max_luma` on average, and chroma too once it is halved.
fn assert_similar(name: &str, fixture: &SegmentFixture, max_luma: f64) {
    let (sparse, dense) = in_both_densities(fixture);
    let luma = difference(&sparse.y, &dense.y);
    assert!(luma <= max_luma, "{name}: luma differs by {luma}");
    for (sparse, dense) in [(&sparse.u, &dense.u), (&sparse.v, &dense.v)] {
        let chroma = difference(sparse, &Chroma::Halved.thinned(dense, WIDTH, HEIGHT));
        assert!(chroma <= 1.5, "{name}: chroma differs by {chroma}");
    }
}

fn still(value: f64) -> Curve {
    Curve::Still(Micro::from_f64(value))
}

/// A clip, to which a test adds layers.
fn with_clip() -> SegmentFixture {
    let mut fixture = SegmentFixture::new(WIDTH as u32, HEIGHT as u32);
    let clip = Clip { width: 320, height: 180, ..Clip::even((25, 1), 20) };
    let source = fixture.clip(&clip);
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    fixture
}

fn gradient() -> Asset {
    let stop = |at, colour| GradientStop { at, colour };
    let stops = vec![
        stop(Micro::ZERO, Rgba([20, 120, 40, 255])),
        stop(Micro::ONE, Rgba([240, 80, 255, 255])),
    ];
    Asset::Gradient(Gradient { angle: Some(Micro::whole(90)), stops })
}

#[test]
fn luma_is_the_same_with_full_and_halved_chroma() {
    let mut turned = with_clip();
    let layer = turned.layer(gradient());
    (layer.placement.angle, layer.placement.scale, layer.opacity) =
        (still(10.0), still(0.5), still(0.6));
    let mut clipped = with_clip();
    let layer = clipped.layer(gradient());
    layer.enter = Some(Transition {
        kind: TransitionKind::Wipe(Direction::Right),
        start: 0,
        frames: 14,
        easing: Easing::Linear,
    });
    let mut blurred = with_clip();
    blurred.layer(gradient()).filters = vec![Filter::Blur { sigma: Micro::whole(3) }];
    let mut written = with_clip();
    written.layer(Asset::Text(text("Colour", 30)));
    for (name, fixture) in
        [("turned", turned), ("wiped", clipped), ("blurred", blurred), ("written", written)]
    {
        assert_similar(name, &fixture, 0.0);
    }
}

#[test]
fn effects_in_rgb_or_chroma_look_alike_with_full_and_halved_chroma() {
    for mode in [Blend::Multiply, Blend::Difference, Blend::Luminosity] {
        let mut fixture = with_clip();
        fixture.layer(gradient()).blend = mode;
        assert_similar(&format!("{mode:?}"), &fixture, 2.0);
    }
    let mut keyed = with_clip();
    let colour = Rgba([20, 120, 40, 255]);
    keyed.layer(gradient()).chroma_key =
        Some(ChromaKey { colour, threshold: Micro::from_f64(0.08), halo: Micro::from_f64(0.05) });
    assert_similar("keyed", &keyed, 1.0);
    let mut matted = with_clip();
    let matte = matted.layers()[0].clone();
    matted.layer(gradient()).mattes = vec![matte];
    assert_similar("matted", &matted, 0.0);
}
