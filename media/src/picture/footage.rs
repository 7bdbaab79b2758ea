//! Draws videos and stills as a layer's content: each frame is picked by time, cropped, scaled, and
//! cached while it shows.

use super::content::{ContentRequest, DrawingCache, Patch};
use super::gauss::blur;
use super::planes::Picture;
use crate::decode::convert::{Conversion, Converter, InterlacedFields};
use crate::decode::reader::VideoReader;
use crate::decode::svg::Svg;
use crate::error::Result;
use crate::text::fonts::FontBook;
use composition::plan::{self, Backdrop, Rate, Ratio, Rect};
use std::path::Path;
use std::sync::Arc;

/// A picture source and the way it fills its box.
pub(crate) struct Footage {
    settings: plan::Picture,
    source: FootageSource,
    converter: Converter,
    backdrop_converter: Converter,
    cache: DrawingCache<FrameKey, Arc<Picture>>,
}

enum FootageSource {
    /// The video, the output's frame rate, and the open stream.
    Video(plan::Video, Rate, Box<VideoReader>),
    Still(Box<VideoReader>),
    Drawn(Svg),
}

#[derive(PartialEq)]
struct FrameKey {
    /// The frame's own time in ticks of its stream; 0 for stills.
    ticks: i64,
    backdrop: bool,
    width: usize,
    height: usize,
}

/// A backdrop is blurred at this fraction of its size: the blur would remove the lost detail
/// anyway.
const BACKDROP_SHARE: f64 = 8.0;

impl Footage {
    /// Opens a video.
    ///
    /// # Errors
    /// Errors from opening a source.
    pub(crate) fn video(video: plan::Video, rate: Rate, path: &Path) -> Result<Self> {
        let source = &video.picture.source;
        let mut reader = Box::new(VideoReader::open(path, source.stream)?);
        if source.joined {
            reader.read_as_joined();
        }
        let settings = video.picture.clone();
        Ok(Self::of(settings, FootageSource::Video(video, rate, reader), 2))
    }

    /// Opens a still picture, or an SVG, which is drawn at the size at which it is shown.
    ///
    /// # Errors
    /// Errors from opening a source.
    pub(crate) fn still(settings: plan::Picture, path: &Path, book: &FontBook) -> Result<Self> {
        let source = match Svg::open(path, book)? {
            Some(svg) => FootageSource::Drawn(svg),
            None => {
                FootageSource::Still(Box::new(VideoReader::open(path, settings.source.stream)?))
            }
        };
        Ok(Self::of(settings, source, 4))
    }

    fn of(settings: plan::Picture, source: FootageSource, capacity: usize) -> Self {
        Self {
            settings,
            source,
            converter: Converter::default(),
            backdrop_converter: Converter::default(),
            cache: DrawingCache::new(capacity),
        }
    }

    /// Returns the picture, above its backdrop if it has one.
    ///
    /// # Errors
    /// Errors from decoding and scaling.
    pub(crate) fn patches(&mut self, request: &ContentRequest) -> Result<Vec<Patch>> {
        let mut patches = Vec::with_capacity(2);
        if let Some(backdrop) = self.settings.backdrop {
            patches.push(self.backdrop(request, backdrop)?);
        }
        let (x, y, width, height) = request.even_part(shares(self.settings.into));
        let crop = shares(self.settings.crop);
        let picture = self.picture(request, crop, (width, height), None)?;
        patches.push(Patch::unscaled(picture, x, y));
        Ok(patches)
    }

    fn backdrop(&mut self, request: &ContentRequest, backdrop: Backdrop) -> Result<Patch> {
        let (x, y, width, height) = request.even_part([0.0, 0.0, 1.0, 1.0]);
        let small =
            |length: usize| ((length as f64 / BACKDROP_SHARE / 2.0).ceil() as usize * 2).max(2);
        let sigma = backdrop.sigma.to_f64() * request.scale / BACKDROP_SHARE;
        let size = (small(width), small(height));
        let picture = self.picture(request, shares(backdrop.crop), size, Some(sigma))?;
        Ok(Patch {
            picture,
            x: f64::from(x),
            y: f64::from(y),
            width: width as f64,
            height: height as f64,
            opacity: 1.0,
        })
    }

    fn picture(
        &mut self,
        request: &ContentRequest,
        crop: [f64; 4],
        (width, height): (usize, usize),
        sigma: Option<f64>,
    ) -> Result<Arc<Picture>> {
        let (clock, chroma) = (request.clock, request.chroma);
        let converter = match sigma {
            Some(_) => &mut self.backdrop_converter,
            None => &mut self.converter,
        };
        let blurred = |picture: Picture| {
            Arc::new(match sigma {
                Some(sigma) => blur(picture, sigma),
                None => picture,
            })
        };
        let (shown, interlaced) = match &mut self.source {
            FootageSource::Drawn(svg) => {
                let key = key(0, sigma, width, height);
                return self.cache.get(key, || svg.draw(crop, width, height, chroma).map(blurred));
            }
            FootageSource::Still(reader) => (reader.frame_at(Ratio::ZERO)?, false),
            FootageSource::Video(video, rate, reader) => {
                (reader.frame_at(video.source_time(clock, *rate))?, video.deinterlace)
            }
        };
        let conversion = Conversion { crop, width, height, chroma, rotation: shown.rotation };
        let fields = interlaced.then_some(InterlacedFields { next: shown.next });
        self.cache.get(key(shown.ticks, sigma, width, height), || {
            converter.convert(shown.frame, fields, conversion).map(blurred)
        })
    }
}

fn key(ticks: i64, sigma: Option<f64>, width: usize, height: usize) -> FrameKey {
    FrameKey { ticks, backdrop: sigma.is_some(), width, height }
}

fn shares(rect: Rect) -> [f64; 4] {
    [rect.x.to_f64(), rect.y.to_f64(), rect.width.to_f64(), rect.height.to_f64()]
}
