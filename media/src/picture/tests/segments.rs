//! From a segment to a file, and the fixture with which the other tests build their segments.

use super::clips::{Clip, number_in};
use crate::encode::annexb;
use crate::picture::planes::Picture as Frame;
use crate::picture::{Scene, render_segment, render_still};
use crate::text::FontFolders;
use composition::plan::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A segment under construction, with its files in a folder of its own.
pub(crate) struct SegmentFixture {
    pub segment: Segment,
    pub files: BTreeMap<SourceHash, PathBuf>,
    folder: std::rc::Rc<tempfile::TempDir>,
}

impl SegmentFixture {
    pub(crate) fn new(width: u32, height: u32) -> Self {
        let canvas =
            Canvas { width, height, rate: Rate { num: 25, den: 1 }, background: Rgba::BLACK };
        let recipe = Recipe {
            codec: VideoCodec::H264,
            quality: Quality { crf: 18, effort: 2 },
            pixel_format: PixelFormat::Yuv420p,
            colour: ColourTags::Bt709Limited,
            gop: 50,
        };
        Self {
            segment: Segment {
                canvas,
                frames: 40,
                layers: vec![],
                fonts: vec![],
                machine_fonts: None,
                recipe,
            },
            files: BTreeMap::new(),
            folder: std::rc::Rc::new(tempfile::tempdir().expect("a folder")),
        }
    }

    /// Returns an empty segment over the same files.
    pub(crate) fn without_layers(&self) -> Self {
        let mut segment = self.segment.clone();
        segment.layers.clear();
        Self { segment, files: self.files.clone(), folder: self.folder.clone() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn add(&mut self, path: &Path) -> SourceHash {
        let hash =
            blake3::hash(&std::fs::read(path).expect("the file is there")).to_hex().to_string();
        let hash = SourceHash(hash);
        self.files.insert(hash.clone(), path.to_owned());
        hash
    }

    pub(crate) fn clip(&mut self, clip: &Clip) -> SourceHash {
        let path = self.path(&format!("{}.{}", self.files.len(), clip.format));
        clip.make(&path);
        self.add(&path)
    }

    /// Adds a layer over the whole canvas for the whole segment, on top.
    pub(crate) fn layer(&mut self, asset: Asset) -> &mut Layer {
        let canvas = self.segment.canvas;
        let still = |units| Curve::Still(Micro::whole(units));
        self.segment.layers.push(Layer {
            show: Span { from: 0, to: self.segment.frames },
            clock: 0,
            asset,
            placement: Placement {
                width: Micro::whole(canvas.width.into()),
                height: Micro::whole(canvas.height.into()),
                anchor_x: Micro::ZERO,
                anchor_y: Micro::ZERO,
                x: still(0),
                y: still(0),
                scale: still(1),
                angle: still(0),
                skew_x: still(0),
                skew_y: still(0),
                flip_x: false,
                flip_y: false,
                drift: None,
            },
            opacity: still(1),
            enter: None,
            leave: None,
            filters: vec![],
            chroma_key: None,
            mattes: vec![],
            blend: Blend::Normal,
        });
        self.segment.layers.last_mut().expect("just added")
    }

    pub(crate) fn layers(&mut self) -> &mut Vec<Layer> {
        &mut self.segment.layers
    }

    pub(crate) fn scene(&self) -> Scene {
        Scene::open(&self.segment, &self.files, &FontFolders(vec![])).expect("the scene opens")
    }

    pub(crate) fn frame(&self, frame: u64) -> Frame {
        self.scene().frame(frame).expect("the frame draws")
    }

    pub(crate) fn render(&self, name: &str) -> PathBuf {
        let out = self.path(name);
        render_segment(&self.segment, &self.files, &FontFolders(vec![]), &out, &mut |_| {})
            .expect("it renders");
        out
    }
}

pub(crate) fn picture_of(hash: SourceHash) -> Picture {
    Picture {
        source: Source { hash, stream: 0, joined: false },
        crop: WHOLE,
        into: WHOLE,
        backdrop: None,
    }
}

pub(crate) fn video_of(picture: Picture) -> Video {
    Video { picture, trim: Ratio::ZERO, speed: Ratio::ONE, deinterlace: false, repeat: None }
}

/// Adds one of everything that moves.
fn animated(fixture: &mut SegmentFixture) {
    let source = fixture.clip(&Clip::even((30, 1), 60));
    fixture.layer(Asset::Video(video_of(picture_of(source.clone()))));
    let top = fixture.layer(Asset::Video(Video {
        trim: Ratio::new(1, 3).expect("a time"),
        ..video_of(picture_of(source))
    }));
    top.placement.width = Micro::whole(80);
    top.placement.height = Micro::whole(48);
    top.placement.x = Curve::Tweens(vec![Tween {
        start: 5,
        length: 20,
        from: Micro::ZERO,
        to: Micro::whole(61),
        easing: Easing::EASE,
    }]);
    top.enter = Some(Transition {
        kind: TransitionKind::Zoom,
        start: 0,
        frames: 8,
        easing: Easing::Linear,
    });
    top.leave = Some(Transition {
        kind: TransitionKind::Wipe(Direction::Up),
        start: 30,
        frames: 10,
        easing: Easing::OUT,
    });
}

/// Cuts a part of a segment into a segment of its own.
fn part(segment: &Segment, from: u64, to: u64) -> Segment {
    let mut part = Segment { frames: to - from, ..segment.clone() };
    for layer in &mut part.layers {
        let seen = layer.show.meet(Span { from, to });
        layer.clock += seen.from - layer.show.from;
        layer.show = Span { from: seen.from - from, to: seen.to - from };
    }
    part
}

#[test]
fn the_frames_of_cut_segments_are_those_of_the_whole() {
    let mut fixture = SegmentFixture::new(160, 96);
    animated(&mut fixture);
    let mut whole = fixture.scene();
    let digests: Vec<_> =
        (0..40).map(|frame| whole.frame(frame).expect("it draws").digest()).collect();
    for (from, to) in [(0, 7), (7, 26), (26, 33), (33, 40)] {
        let segment = part(&fixture.segment, from, to);
        let mut scene =
            Scene::open(&segment, &fixture.files, &FontFolders(vec![])).expect("it opens");
        for frame in 0..to - from {
            let digest = scene.frame(frame).expect("it draws").digest();
            assert_eq!(digest, digests[(from + frame) as usize], "frame {}", from + frame);
        }
    }
    for frame in [39, 2, 17, 16, 31] {
        assert_eq!(fixture.frame(frame).digest(), digests[frame as usize], "out of order: {frame}");
    }
}

#[test]
fn the_same_segment_gives_the_same_bytes() {
    let mut fixture = SegmentFixture::new(160, 96);
    animated(&mut fixture);
    let (first, second) = (fixture.render("a.mp4"), fixture.render("b.mp4"));
    assert!(std::fs::read(first).expect("read") == std::fs::read(second).expect("read"));
}

#[test]
fn a_segment_is_a_closed_gop_with_colour_tags_and_no_trace_of_its_encoder() {
    let mut fixture = SegmentFixture::new(160, 96);
    animated(&mut fixture);
    let out = fixture.render("out.mp4");
    let bytes = std::fs::read(&out).expect("read");
    assert!(
        !bytes.windows(4).any(|window| window == b"x264" || window == b"Lavf" || window == b"Lavc")
    );
    assert!(bytes.windows(8).any(|window| window == b"colrnclx"));
    let mut input = crate::decode::open::open_input(&out).expect("it opens");
    let stream = input.stream(0).expect("a stream");
    assert_eq!(stream.avg_frame_rate(), ffmpeg_next::Rational(25, 1));
    let mut keys = Vec::new();
    let mut times = Vec::new();
    loop {
        let mut packet = ffmpeg_next::Packet::empty();
        if packet.read(&mut input).is_err() {
            break;
        }
        keys.push(packet.is_key());
        times.push(packet.pts().expect("a time"));
        let mut stream = Vec::new();
        // Converts length-prefixed units, as MP4 stores them, back to the byte stream.
        let mut data = packet.data().expect("data");
        while data.len() > 4 {
            let length = u32::from_be_bytes(data[..4].try_into().expect("four bytes")) as usize;
            stream.extend([0, 0, 1]);
            stream.extend_from_slice(&data[4..4 + length]);
            data = &data[4 + length..];
        }
        assert!(!annexb::has_sei(VideoCodec::H264, &stream));
    }
    assert_eq!(keys.iter().position(|key| *key), Some(0));
    assert_eq!(keys.iter().filter(|key| **key).count(), 1);
    times.sort_unstable();
    let step = times[1] - times[0];
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == step) && times.len() == 40);
}

#[test]
fn key_frames_are_where_the_recipe_says() {
    let mut fixture = SegmentFixture::new(160, 96);
    fixture.segment.recipe.gop = 10;
    let source = fixture.clip(&Clip::even((25, 1), 60));
    fixture.layer(Asset::Video(video_of(picture_of(source))));
    let mut input = crate::decode::open::open_input(&fixture.render("out.mp4")).expect("it opens");
    let mut keys = Vec::new();
    for at in 0.. {
        let mut packet = ffmpeg_next::Packet::empty();
        if packet.read(&mut input).is_err() {
            break;
        }
        if packet.is_key() {
            keys.push(at);
        }
    }
    assert_eq!(keys, [0, 10, 20, 30]);
}

#[test]
fn every_codec_keeps_the_frames() {
    for (codec, pixel_format, colour) in [
        (VideoCodec::H264, PixelFormat::Yuv420p, ColourTags::Bt709Limited),
        (VideoCodec::H265, PixelFormat::Yuv420p, ColourTags::Bt709Limited),
        (VideoCodec::Vp9, PixelFormat::Yuv420p, ColourTags::Bt709Limited),
        (VideoCodec::Vp9, PixelFormat::Yuva420p, ColourTags::Bt709Limited),
        (VideoCodec::Ffv1, PixelFormat::Rgb, ColourTags::SrgbFull),
        (VideoCodec::Ffv1, PixelFormat::Rgba, ColourTags::SrgbFull),
    ] {
        let mut fixture = SegmentFixture::new(160, 96);
        fixture.segment.frames = 12;
        fixture.segment.recipe.codec = codec;
        fixture.segment.recipe.pixel_format = pixel_format;
        fixture.segment.recipe.colour = colour;
        fixture.segment.recipe.quality = Quality { crf: 20, effort: 2 };
        let source = fixture.clip(&Clip::even((25, 1), 20));
        fixture.layer(Asset::Video(video_of(picture_of(source))));
        let out = fixture.render("out.seg");
        let mut second = fixture.without_layers();
        let source = second.add(&out);
        second.segment.recipe.pixel_format = PixelFormat::Yuv420p;
        second.layer(Asset::Video(video_of(picture_of(source))));
        let mut scene = second.scene();
        for frame in 0..12 {
            let number = number_in(&scene.frame(frame).expect("it draws"));
            assert_eq!(number, frame as usize, "{codec:?} {pixel_format:?}");
        }
    }
}

#[test]
fn alpha_survives_vp9_and_ffv1() {
    for (codec, pixel_format) in
        [(VideoCodec::Vp9, PixelFormat::Yuva420p), (VideoCodec::Ffv1, PixelFormat::Rgba)]
    {
        let mut fixture = SegmentFixture::new(64, 64);
        fixture.segment.frames = 5;
        fixture.segment.canvas.background = Rgba::CLEAR;
        fixture.segment.recipe.codec = codec;
        fixture.segment.recipe.pixel_format = pixel_format;
        let layer = fixture.layer(Asset::Colour(Rgba([255, 255, 255, 255])));
        layer.placement.width = Micro::whole(32);
        let out = fixture.render("out.seg");
        let mut over = SegmentFixture::new(64, 64);
        let source = over.add(&out);
        over.layer(Asset::Colour(Rgba([128, 128, 128, 255])));
        over.layer(Asset::Video(video_of(picture_of(source))));
        let frame = over.frame(2);
        assert!(
            frame.y[32 * 64 + 8] > 225 && frame.y[32 * 64 + 56].abs_diff(126) <= 4,
            "{codec:?}"
        );
    }
}

#[test]
fn stills_are_written_in_each_format() {
    let mut fixture = SegmentFixture::new(64, 48);
    fixture.layer(Asset::Colour(Rgba([200, 30, 90, 255])));
    for extension in ["png", "jpg", "webp"] {
        let out = fixture.path(&format!("out.{extension}"));
        render_still(&fixture.segment, 3, &fixture.files, &FontFolders(vec![]), &out)
            .expect("it renders");
        let mut second = fixture.without_layers();
        let source = second.add(&out);
        second.layer(Asset::Image(picture_of(source)));
        let (was, is) = (fixture.frame(0), second.frame(0));
        for (was, is) in [(was.y[500], is.y[500]), (was.u[99], is.u[99]), (was.v[99], is.v[99])] {
            assert!(was.abs_diff(is) <= 3, "{extension}: {was} came back as {is}");
        }
    }
    let error = render_still(
        &fixture.segment,
        0,
        &fixture.files,
        &FontFolders(vec![]),
        &fixture.path("out.tga"),
    );
    assert!(matches!(error, Err(crate::MediaError::Unsupported(_))));
}

#[test]
fn an_incomplete_segment_is_refused() {
    let mut fixture = SegmentFixture::new(160, 96);
    animated(&mut fixture);
    let out = fixture.render("out.mp4");
    let verify = |segment: &Segment, path: &Path| crate::encode::verify::verify(segment, path);
    verify(&fixture.segment, &out).expect("it is whole");
    let longer = Segment { frames: 41, ..fixture.segment.clone() };
    let error = verify(&longer, &out).expect_err("a frame is missing").to_string();
    assert!(error.contains("has 40 frames and should have 41"), "{error}");
    let mut wider = fixture.segment.clone();
    wider.canvas.width = 320;
    assert!(
        verify(&wider, &out).expect_err("the size is another").to_string().contains("(160, 96)")
    );
    let mut bytes = std::fs::read(&out).expect("read");
    let data = bytes.windows(4).position(|window| window == b"mdat").expect("there is data") + 8;
    for byte in &mut bytes[data + 60..data + 400] {
        *byte = 0xff;
    }
    std::fs::write(&out, bytes).expect("written");
    assert!(verify(&fixture.segment, &out).is_err(), "its first picture is broken");
}
