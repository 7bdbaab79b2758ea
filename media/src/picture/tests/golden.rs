//! Golden frames: a sheet for each family of what the engine draws. A person has looked at each
//! sheet once.
//!
//! A frame passes if the structural similarity of its luma to the golden one (Wang et al. 2004, on
//! blocks of 8 by 8) is at least 0.97 and its chroma differs by at most 2 of 255 on average: a
//! change of rounding does far less, and any visible change does more. `SPOOL_GOLDEN=write` draws
//! the sheets again.

use super::segments::{SegmentFixture, picture_of, video_of};
use crate::picture::blend::{Window, over};
use crate::picture::place::crop_to;
use crate::picture::planes::Picture as Frame;
use crate::text::tests::{style, text};
use composition::plan::*;
use std::path::PathBuf;

pub(super) const WIDTH: usize = 160;
pub(super) const HEIGHT: usize = 90;
const COLUMNS: usize = 4;
const MIN_SIMILARITY: f64 = 0.97;
const MAX_CHROMA: f64 = 2.0;

fn fixture() -> SegmentFixture {
    SegmentFixture::new(WIDTH as u32, HEIGHT as u32)
}

/// A picture in which every change shows: a gradient, a disc, a square, and lines.
fn test_card(fixture: &mut SegmentFixture) -> SourceHash {
    let path = fixture.path("card.svg");
    let svg = r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="240" height="180" viewBox="0 0 240 180">
        <defs><linearGradient id="g" x2="1" y2="1">
            <stop stop-color="#2b50aa"/><stop offset="1" stop-color="#f2a541"/>
        </linearGradient></defs>
        <rect width="240" height="180" fill="url(#g)"/>
        <circle cx="80" cy="75" r="45" fill="#f7f3e3"/>
        <rect x="140" y="90" width="60" height="60" fill="#d1495b"/>
        <path d="M10 170 L230 170 M10 10 L230 10 M10 10 L10 170 M230 10 L230 170"
            stroke="#00ff90" stroke-width="4"/></svg>"##;
    std::fs::write(&path, svg).unwrap();
    fixture.add(&path)
}

fn with_card(change: impl FnOnce(&mut Layer)) -> SegmentFixture {
    let mut fixture = fixture();
    let source = test_card(&mut fixture);
    fixture.layer(Asset::Colour(Rgba([24, 28, 38, 255])));
    change(fixture.layer(Asset::Image(picture_of(source))));
    fixture
}

fn text_fixture(writing: Text) -> SegmentFixture {
    let mut fixture = fixture();
    fixture.layer(Asset::Colour(Rgba([44, 62, 80, 255])));
    fixture.layer(Asset::Text(writing));
    fixture
}

fn micro(value: f64) -> Micro {
    Micro::from_f64(value)
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> Rect {
    Rect { x: micro(x), y: micro(y), width: micro(width), height: micro(height) }
}

/// Compares the frames with the sheet of this name, or draws it.
pub(super) fn compare(name: &str, frames: Vec<(&str, Frame)>) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.png"));
    let rows = frames.len().div_ceil(COLUMNS);
    let mut sheet = Frame::filled(WIDTH * COLUMNS, HEIGHT * rows, Rgba::BLACK);
    let place = |at: usize| ((at % COLUMNS * WIDTH) as i32, (at / COLUMNS * HEIGHT) as i32);
    for (at, (_, frame)) in frames.iter().enumerate() {
        let (x, y) = place(at);
        over(&mut sheet, frame, x, y, 255);
    }
    if std::env::var("SPOOL_GOLDEN").is_ok_and(|value| value == "write") {
        return crate::encode::still::write_still(&sheet, &path).unwrap();
    }
    // Both are read from a file, so what PNG's RGB does to chroma is no difference.
    let drawn = tempfile::Builder::new().suffix(".png").tempfile().unwrap();
    crate::encode::still::write_still(&sheet, drawn.path()).unwrap();
    let read = |path: &std::path::Path| {
        let mut fixture = SegmentFixture::new(sheet.width as u32, sheet.height as u32);
        let source = fixture.add(path);
        fixture.layer(Asset::Image(picture_of(source)));
        fixture.frame(0)
    };
    let (sheet, golden) = (read(drawn.path()), read(&path));
    for (at, (label, _)) in frames.iter().enumerate() {
        let (left, top) = place(at);
        let window = Window { left, top, right: left + WIDTH as i32, bottom: top + HEIGHT as i32 };
        let (frame, expected) = (crop_to(&sheet, 0, 0, window), crop_to(&golden, 0, 0, window));
        let found = similarity(&frame.y, &expected.y);
        let chroma = difference(&frame.u, &expected.u).max(difference(&frame.v, &expected.v));
        assert!(found >= MIN_SIMILARITY, "{name}, {label}: similarity {found}");
        assert!(chroma <= MAX_CHROMA, "{name}, {label}: chroma differs by {chroma}");
    }
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
    f64::from(sum) / a.len() as f64
}

pub(super) fn similarity(a: &[u8], b: &[u8]) -> f64 {
    let blocks =
        (0..HEIGHT / 8).flat_map(|row| (0..WIDTH / 8).map(move |column| (row * 8, column * 8)));
    let scores: Vec<f64> = blocks.map(|(top, left)| block_similarity(a, b, top, left)).collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn block_similarity(a: &[u8], b: &[u8], top: usize, left: usize) -> f64 {
    let at =
        |plane: &[u8], index: usize| f64::from(plane[(top + index / 8) * WIDTH + left + index % 8]);
    let mean = |plane: &[u8]| (0..64).map(|index| at(plane, index)).sum::<f64>() / 64.0;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product = |x: &[u8], mean_x: f64, y: &[u8], mean_y: f64| {
        (0..64).map(|index| (at(x, index) - mean_x) * (at(y, index) - mean_y)).sum::<f64>() / 63.0
    };
    let (var_a, var_b) = (product(a, mean_a, a, mean_a), product(b, mean_b, b, mean_b));
    let both = product(a, mean_a, b, mean_b);
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    (2.0 * mean_a * mean_b + c1) * (2.0 * both + c2)
        / ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2))
}

#[test]
fn transitions_look_as_they_did() {
    use Direction::{Down, Left, Right, Up};
    use TransitionKind::{Carousel, Fade, Reveal, Shuffle, Slide, Wipe, Zoom};
    let kinds = [
        ("fade", Fade),
        ("slide left", Slide(Left)),
        ("slide up", Slide(Up)),
        ("zoom", Zoom),
        ("carousel left", Carousel(Left)),
        ("carousel right", Carousel(Right)),
        ("carousel up", Carousel(Up)),
        ("carousel down", Carousel(Down)),
        ("wipe left", Wipe(Left)),
        ("wipe right", Wipe(Right)),
        ("wipe up", Wipe(Up)),
        ("wipe down", Wipe(Down)),
        ("reveal sideways", Reveal(Left)),
        ("reveal upright", Reveal(Up)),
        ("shuffle over left, up", Shuffle { over: Left, swing: Up }),
        ("shuffle over down, right", Shuffle { over: Down, swing: Right }),
    ];
    let mut frames = Vec::new();
    for (label, kind) in kinds {
        let transition =
            |start| Some(Transition { kind, start, frames: 10, easing: Easing::Linear });
        let fixture = with_card(|layer| {
            layer.enter = transition(0);
            layer.leave = transition(30);
        });
        frames.push((label, fixture.frame(6)));
        frames.push((label, fixture.frame(33)));
    }
    compare("transitions", frames);
}

#[test]
fn effects_and_fits_look_as_they_did() {
    let still = [Micro::ZERO; 2];
    let drift = |scale: [f64; 2], x: [f64; 2]| {
        let drift = Drift { frames: 40, scale: scale.map(micro), x: x.map(micro), y: still };
        with_card(move |layer| layer.placement.drift = Some(drift)).frame(30)
    };
    let fit = |crop: Rect, into: Rect, blurred: bool| {
        with_card(|layer| {
            if let Asset::Image(picture) = &mut layer.asset {
                (picture.crop, picture.into) = (crop, into);
                let cover = rect(0.0, 0.125, 1.0, 0.75);
                picture.backdrop =
                    blurred.then(|| Backdrop { crop: cover, sigma: Micro::whole(6) });
            }
        })
        .frame(0)
    };
    let placed = |angle: i64, flip: bool| {
        with_card(|layer| {
            layer.placement.width = Micro::whole(90);
            layer.placement.height = Micro::whole(60);
            layer.placement.anchor_x = micro(0.5);
            layer.placement.anchor_y = micro(0.5);
            layer.placement.angle = Curve::Still(Micro::whole(angle));
            layer.placement.flip_x = flip;
            layer.placement.skew_x = Curve::Still(Micro::whole(if flip { 20 } else { 0 }));
        })
        .frame(0)
    };
    let contain = rect(0.125, 0.0, 0.75, 1.0);
    compare(
        "placing",
        vec![
            ("zoom in", drift([1.0, 1.4], [0.0, 0.0])),
            ("slide", drift([1.3, 1.3], [20.0, -20.0])),
            ("cover", fit(rect(0.0, 0.125, 1.0, 0.75), WHOLE, false)),
            ("contain", fit(WHOLE, contain, false)),
            ("fill", fit(WHOLE, WHOLE, false)),
            ("blur", fit(WHOLE, contain, true)),
            ("turned", placed(30, false)),
            ("mirrored and slanted", placed(0, true)),
        ],
    );
}

#[test]
fn filters_mattes_and_keys_look_as_they_did() {
    let adjust = |brightness: f64, contrast: f64, saturation: f64| Filter::Adjust {
        brightness: micro(brightness),
        contrast: micro(contrast),
        saturation: micro(saturation),
    };
    let filtered = |filter: Filter| with_card(|layer| layer.filters = vec![filter]).frame(0);
    let mut table = with_card(|_| {});
    let path = table.path("warm.cube");
    let mut cube = String::from("LUT_3D_SIZE 2\n");
    for corner in 0..8 {
        let channel = |axis: i32| f64::from(corner >> axis & 1);
        cube.push_str(&format!("{} {} {}\n", channel(0) * 0.8 + 0.2, channel(1), channel(2) * 0.6));
    }
    std::fs::write(&path, cube).unwrap();
    let source = table.add(&path);
    table.layers()[1].filters = vec![Filter::Lut { source }];
    let mut matted = with_card(|_| {});
    let mut matte = matted.layers()[1].clone();
    matte.asset = Asset::Shape(Shape {
        kind: ShapeKind::Ellipse,
        fill: Rgba::WHITE,
        stroke: Rgba([128, 128, 128, 255]),
        stroke_width: Micro::whole(10),
    });
    matted.layers()[1].mattes = vec![matte];
    let key = ChromaKey {
        colour: Rgba([0xd1, 0x49, 0x5b, 255]),
        threshold: micro(0.08),
        halo: micro(0.05),
    };
    compare(
        "filters",
        vec![
            ("blur", filtered(Filter::Blur { sigma: Micro::whole(4) })),
            ("boost", filtered(adjust(0.0, 1.2, 1.5))),
            ("contrast", filtered(adjust(0.0, 1.5, 1.0))),
            ("darken", filtered(adjust(-0.2, 1.0, 1.0))),
            ("lighten", filtered(adjust(0.2, 1.0, 1.0))),
            ("greyscale", filtered(Filter::Greyscale)),
            ("negative", filtered(Filter::Negative)),
            ("table", table.frame(0)),
            ("matte", matted.frame(0)),
            ("key", with_card(|layer| layer.chroma_key = Some(key)).frame(0)),
        ],
    );
}

#[test]
fn blend_modes_look_as_they_did() {
    use Blend::*;
    let modes = [
        Normal, Multiply, Screen, Overlay, Darken, Lighten, ColorDodge, ColorBurn, HardLight,
        SoftLight, Difference, Exclusion, Hue, Saturation, Color, Luminosity, Add,
    ];
    let frames = modes.map(|mode| {
        let mut fixture = with_card(|_| {});
        let stop = |at, colour| GradientStop { at, colour };
        let top = fixture.layer(Asset::Gradient(Gradient {
            angle: Some(Micro::whole(90)),
            stops: vec![
                stop(Micro::ZERO, Rgba([20, 120, 40, 255])),
                stop(Micro::ONE, Rgba([240, 200, 255, 255])),
            ],
        }));
        top.blend = mode;
        top.opacity = Curve::Still(micro(0.9));
        ("mode", fixture.frame(0))
    });
    compare("blends", frames.into());
}

#[test]
fn figures_look_as_they_did() {
    let figure = |kind| {
        let mut fixture = fixture();
        let shape = Shape {
            kind,
            fill: Rgba([0x17, 0xbe, 0xbb, 230]),
            stroke: Rgba([0xe4, 0x57, 0x2e, 255]),
            stroke_width: Micro::whole(5),
        };
        let layer = fixture.layer(Asset::Shape(shape));
        layer.placement.width = Micro::whole(101);
        layer.placement.height = Micro::whole(if kind == ShapeKind::Line { 13 } else { 57 });
        layer.placement.anchor_x = micro(0.5);
        layer.placement.anchor_y = micro(0.5);
        fixture.frame(0)
    };
    let gradient = |angle: Option<i64>| {
        let mut fixture = fixture();
        let stop = |at: f64, colour| GradientStop { at: micro(at), colour };
        fixture.layer(Asset::Gradient(Gradient {
            angle: angle.map(Micro::whole),
            stops: vec![
                stop(0.0, Rgba([255, 80, 60, 255])),
                stop(0.6, Rgba([255, 220, 90, 255])),
                stop(1.0, Rgba([40, 60, 160, 0])),
            ],
        }));
        fixture.frame(0)
    };
    let wave = |style| {
        let mut fixture = fixture();
        let path = fixture.path("tone.wav");
        tone(&path);
        let source = Source { hash: fixture.add(&path), stream: 0, joined: false };
        let clip = Span { from: 0, to: 40 };
        let wave = Waveform {
            source,
            trim: Ratio::ZERO,
            speed: Ratio::ONE,
            style,
            colour: Rgba([93, 214, 255, 255]),
            window: Ratio::ONE,
            clip,
        };
        fixture.layer(Asset::Waveform(wave));
        fixture.frame(20)
    };
    compare(
        "figures",
        vec![
            ("rectangle", figure(ShapeKind::Rectangle { radius: Micro::whole(12) })),
            ("ellipse", figure(ShapeKind::Ellipse)),
            ("line", figure(ShapeKind::Line)),
            ("straight gradient", gradient(Some(45))),
            ("round gradient", gradient(None)),
            ("bars", wave(WaveStyle::Bars { count: 24 })),
            ("line wave", wave(WaveStyle::Line { width: Micro::whole(2) })),
            ("filled wave", wave(WaveStyle::Filled)),
        ],
    );
}

/// Two seconds of a tone that swells and falls four times a second, as 16-bit PCM.
fn tone(path: &std::path::Path) {
    let samples = (0..88_200).map(|at| {
        let time = f64::from(at) / 44_100.0;
        let swell = 0.5 - 0.5 * (time * 4.0 * std::f64::consts::TAU).cos();
        ((time * 440.0 * std::f64::consts::TAU).sin() * swell * 30_000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut wav = Vec::from(*b"RIFF");
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(44_100u32.to_le_bytes());
    wav.extend(88_200u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    std::fs::write(path, wav).unwrap();
}

#[test]
fn text_looks_as_it_did() {
    let plain = |writing: &str| {
        let mut text = text(writing, 24);
        text.align = Align::Centre;
        text.vertical = VerticalAlign::Middle;
        text
    };
    let styled = |change: &dyn Fn(&mut TextStyle)| {
        let mut text = plain("Styled gy");
        change(&mut text.runs[0].style);
        text_fixture(text).frame(0)
    };
    let boxed = |change: &dyn Fn(&mut Text)| {
        let mut text = plain("Set in a box of two lines");
        text.runs[0].style.size = Micro::whole(16);
        change(&mut text);
        text_fixture(text).frame(0)
    };
    let stop = |at, colour| GradientStop { at, colour };
    let rainbow = Gradient {
        angle: Some(Micro::whole(90)),
        stops: vec![
            stop(Micro::ZERO, Rgba([255, 220, 0, 255])),
            stop(Micro::ONE, Rgba([255, 0, 120, 255])),
        ],
    };
    let ground =
        |hug| Some(Background { colour: Rgba([0, 0, 0, 160]), radius: Micro::whole(6), hug });
    let runs = vec![
        TextRun { text: "small ".into(), style: style(14) },
        TextRun { text: "large ".into(), style: TextStyle { weight: 700, ..style(30) } },
        TextRun {
            text: "Ελλάδα Жук".into(),
            style: TextStyle { colour: Rgba([120, 255, 160, 255]), ..style(18) },
        },
    ];
    compare(
        "text",
        vec![
            ("plain", text_fixture(plain("Plain text")).frame(0)),
            ("bold", styled(&|style| style.weight = 700)),
            (
                "outline",
                styled(&|style| {
                    style.stroke = Some(Stroke { width: Micro::whole(4), colour: Rgba::BLACK })
                }),
            ),
            (
                "shadow",
                styled(&|style| {
                    let (x, y) = (Micro::whole(3), Micro::whole(3));
                    style.shadow =
                        Some(Shadow { x, y, sigma: Micro::whole(2), colour: Rgba::BLACK });
                }),
            ),
            ("gradient", styled(&|style| style.gradient = Some(rainbow.clone()))),
            (
                "underline and strike",
                styled(&|style| (style.underline, style.strike) = (true, true)),
            ),
            ("letter spacing", styled(&|style| style.letter_spacing = Micro::whole(4))),
            ("runs", text_fixture(Text { runs, ..plain("") }).frame(0)),
            (
                "left, top",
                boxed(&|text| (text.align, text.vertical) = (Align::Left, VerticalAlign::Top)),
            ),
            (
                "right, bottom",
                boxed(&|text| (text.align, text.vertical) = (Align::Right, VerticalAlign::Bottom)),
            ),
            ("justified", boxed(&|text| text.align = Align::Justify)),
            ("line height", boxed(&|text| text.line_height = Micro::whole(2))),
            ("filled ground", boxed(&|text| text.background = ground(None))),
            ("hugging ground", boxed(&|text| text.background = ground(Some(Micro::whole(4))))),
            ("padding", boxed(&|text| text.padding = [Micro::whole(30); 4])),
            (
                "shrunk",
                boxed(&|text| {
                    text.runs[0].style.size = Micro::whole(60);
                    text.fitting = Fitting::Shrink { least: Micro::whole(4) };
                }),
            ),
        ],
    );
}

#[test]
fn animations_and_captions_look_as_they_did() {
    use AnimationKind::*;
    let appearing = |kind, by| {
        let mut text = text("Three small words", 20);
        text.align = Align::Centre;
        text.vertical = VerticalAlign::Middle;
        text.animation = Some(Animation { kind, by, frames: 20 });
        text_fixture(text).frame(11)
    };
    let words: Vec<CaptionWord> = ["said", "word", "by", "word"]
        .iter()
        .zip(0i64..)
        .map(|(word, at)| CaptionWord { text: (*word).into(), from: at * 8, to: at * 8 + 8 })
        .collect();
    let caption = |active| {
        let mut fixture = fixture();
        fixture.layer(Asset::Colour(Rgba([44, 62, 80, 255])));
        let mut look = text("", 22);
        look.align = Align::Centre;
        look.vertical = VerticalAlign::Middle;
        look.runs[0].style.stroke = Some(Stroke { width: Micro::whole(3), colour: Rgba::BLACK });
        let cues =
            vec![Cue { from: 0, to: 40, text: "said word\nby word".into(), words: words.clone() }];
        fixture.layer(Asset::Captions(Captions { cues, look, active, capitals: false }));
        fixture.frame(10)
    };
    let yellow = Rgba([255, 212, 0, 255]);
    compare(
        "captions",
        vec![
            ("fade in by words", appearing(FadeIn, AnimationUnit::Word)),
            ("slide in by words", appearing(SlideIn(Direction::Right), AnimationUnit::Word)),
            ("typewriter", appearing(Typewriter, AnimationUnit::Character)),
            ("ascend", appearing(Ascend, AnimationUnit::Word)),
            ("shift", appearing(Shift(Direction::Up), AnimationUnit::Character)),
            ("moving letters", appearing(MovingLetters(Direction::Down), AnimationUnit::Character)),
            ("plain cue", caption(None)),
            (
                "highlight",
                caption(Some(WordStyle::Highlight {
                    colour: Rgba::BLACK,
                    patch: yellow,
                    stroke: None,
                })),
            ),
            ("fill", caption(Some(WordStyle::Fill { colour: yellow }))),
            ("pop", caption(Some(WordStyle::Pop { colour: yellow, scale: micro(1.4), frames: 6 }))),
            (
                "bounce",
                caption(Some(WordStyle::Bounce { colour: yellow, height: micro(0.4), frames: 6 })),
            ),
            (
                "slide",
                caption(Some(WordStyle::Slide { colour: yellow, distance: micro(0.8), frames: 6 })),
            ),
            ("typewriter words", caption(Some(WordStyle::Typewriter { colour: yellow }))),
        ],
    );
}

#[test]
fn a_video_below_an_overlay_looks_as_it_did() {
    let mut fixture = fixture();
    let clip = super::clips::Clip {
        width: WIDTH,
        height: HEIGHT,
        ..super::clips::Clip::even((25, 1), 10)
    };
    let source = fixture.clip(&clip);
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    let test_card = test_card(&mut fixture);
    let layer = fixture.layer(Asset::Image(picture_of(test_card)));
    layer.placement.width = Micro::whole(64);
    layer.placement.height = Micro::whole(48);
    layer.placement.anchor_x = Micro::ONE;
    layer.placement.x = Curve::Still(Micro::whole(-7));
    layer.placement.y = Curve::Still(Micro::whole(5));
    layer.opacity = Curve::Still(micro(0.8));
    compare("overlay", vec![("overlay", fixture.frame(5))]);
}
