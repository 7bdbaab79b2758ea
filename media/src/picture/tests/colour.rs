//! Output in RGB is composited in 4:4:4, loses no colour, and otherwise looks like the video.

use super::clips::Clip;
use super::segments::{Bench, picture_of, video_of};
use crate::encode::frames::rgb_rows;
use crate::picture::planes::{Chroma, Picture as Frame};
use crate::picture::render_still;
use crate::text::FontFolders;
use crate::text::tests::text;
use composition::plan::*;

const WIDTH: usize = 160;
const HEIGHT: usize = 90;

/// Draws red and blue columns, each a pixel wide.
fn stripes(bench: &mut Bench) -> SourceHash {
    let path = bench.path("stripes.svg");
    let bars: String = (0..32)
        .map(|at| format!("<path d='M{} 0v48' stroke='#f00'/>", at as f32 * 2.0 + 0.5))
        .collect();
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='48'><rect width='64' height='48' fill='#00f'/>{bars}</svg>"
    );
    std::fs::write(&path, svg).unwrap();
    bench.add(&path)
}

fn in_rgb(bench: &mut Bench) {
    bench.segment.recipe.pixel_format = PixelFormat::Rgb;
}

fn assert_striped(frame: &Frame, name: &str) {
    for (at, pixel) in rgb_rows(frame).chunks_exact(3).enumerate() {
        let wanted: [u8; 3] = if at % 2 == 0 { [255, 0, 0] } else { [0, 0, 255] };
        let far = pixel.iter().zip(wanted).map(|(is, wanted)| is.abs_diff(wanted)).max();
        assert!(far <= Some(6), "{name}: pixel {at} is {pixel:?} and should be {wanted:?}");
    }
}

#[test]
fn a_lossless_picture_keeps_the_colour_of_every_pixel() {
    let mut bench = Bench::new(64, 48);
    in_rgb(&mut bench);
    let source = stripes(&mut bench);
    bench.layer(Asset::Image(picture_of(source)));
    assert_striped(&bench.frame(0), "composited");
    let out = bench.path("out.png");
    render_still(&bench.segment, 0, &bench.files, &FontFolders(vec![]), &out).unwrap();
    // The file is also read again as a source.
    let mut again = bench.again();
    let source = again.add(&out);
    again.layer(Asset::Image(picture_of(source)));
    assert_striped(&again.frame(0), "written as PNG and read");
    let lossless = bench.segment.recipe;
    bench.segment.recipe =
        Recipe { codec: VideoCodec::Ffv1, colour: ColourTags::SrgbFull, ..lossless };
    let mut again = bench.again();
    let source = again.add(&bench.render("out.mkv"));
    again.layer(Asset::Video(video_of(picture_of(source))));
    assert_striped(&again.frame(3), "written as FFV1 and read");
}

/// Composites the same frame in 4:2:0 and in 4:4:4.
fn both(bench: &Bench) -> (Frame, Frame) {
    let mut dense = bench.again();
    dense.segment.layers.clone_from(&bench.segment.layers);
    in_rgb(&mut dense);
    let (sparse, dense) = (bench.frame(7), dense.frame(7));
    assert_eq!((sparse.chroma, dense.chroma), (Chroma::Halved, Chroma::Full));
    (sparse, dense)
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(sum) / a.len() as f64
}

/// Asserts that luma differs by at most `most` on average, and chroma too once it is halved.
fn assert_alike(name: &str, bench: &Bench, most: f64) {
    let (sparse, dense) = both(bench);
    let luma = difference(&sparse.y, &dense.y);
    assert!(luma <= most, "{name}: luma differs by {luma}");
    for (sparse, dense) in [(&sparse.u, &dense.u), (&sparse.v, &dense.v)] {
        let chroma = difference(sparse, &Chroma::Halved.thinned(dense, WIDTH, HEIGHT));
        assert!(chroma <= 1.5, "{name}: chroma differs by {chroma}");
    }
}

fn still(value: f64) -> Curve {
    Curve::Still(Micro::from_f64(value))
}

/// A clip, to which a test adds layers.
fn filmed() -> Bench {
    let mut bench = Bench::new(WIDTH as u32, HEIGHT as u32);
    let clip = Clip { width: 320, height: 180, ..Clip::even((25, 1), 20) };
    let source = bench.clip(&clip);
    bench.layer(Asset::Video(video_of(picture_of(source))));
    bench
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
fn the_light_of_a_picture_is_that_of_the_video() {
    let mut turned = filmed();
    let layer = turned.layer(gradient());
    (layer.placement.angle, layer.placement.scale, layer.opacity) =
        (still(10.0), still(0.5), still(0.6));
    let mut clipped = filmed();
    let layer = clipped.layer(gradient());
    layer.enter = Some(Transition {
        kind: TransitionKind::Wipe(Direction::Right),
        start: 0,
        frames: 14,
        easing: Easing::Linear,
    });
    let mut blurred = filmed();
    blurred.layer(gradient()).filters = vec![Filter::Blur { sigma: Micro::whole(3) }];
    let mut written = filmed();
    written.layer(Asset::Text(text("Colour", 30)));
    for (name, bench) in
        [("turned", turned), ("wiped", clipped), ("blurred", blurred), ("written", written)]
    {
        assert_alike(name, &bench, 0.0);
    }
}

#[test]
fn what_goes_by_way_of_rgb_or_of_chroma_looks_alike() {
    for mode in [Blend::Multiply, Blend::Difference, Blend::Luminosity] {
        let mut bench = filmed();
        bench.layer(gradient()).blend = mode;
        assert_alike(&format!("{mode:?}"), &bench, 2.0);
    }
    let mut keyed = filmed();
    let colour = Rgba([20, 120, 40, 255]);
    keyed.layer(gradient()).chroma_key =
        Some(ChromaKey { colour, threshold: Micro::from_f64(0.08), halo: Micro::from_f64(0.05) });
    assert_alike("keyed", &keyed, 1.0);
    let mut matted = filmed();
    let matte = matted.layers()[0].clone();
    matted.layer(gradient()).mattes = vec![matte];
    assert_alike("matted", &matted, 0.0);
}
