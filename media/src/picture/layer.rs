//! One layer of a segment: draws its content and blends it over the canvas.

use super::blend::{Window, mask, over};
use super::content::{ContentRequest, Patch};
use super::filter::FilterChain;
use super::footage::Footage;
use super::mix;
use super::motion::{moves_at, scale_in_motion};
use super::place::{BoxPose, Tile, clip, crop_to, place, tile_area};
use super::planes::{Chroma, Picture};
use super::procedural::VectorDrawing;
use super::wave::Wave;
use crate::error::Result;
use crate::protocol::Files;
use crate::text::block::{TextBlock, TextContext};
use crate::text::captions::CaptionBlock;
use composition::plan::{self, Asset, Blend, Canvas};
use std::sync::Arc;

/// A layer with its sources open.
pub(crate) struct OpenLayer {
    plan: plan::Layer,
    canvas: Canvas,
    chroma: Chroma,
    content: Content,
    filters: FilterChain,
    mattes: Vec<OpenLayer>,
}

enum Content {
    Footage(Box<Footage>),
    Drawing(VectorDrawing),
    Text(Box<TextBlock>),
    Captions(Box<CaptionBlock>),
    Wave(Box<Wave>),
}

impl OpenLayer {
    /// Opens a layer's content.
    ///
    /// # Errors
    /// Errors from its sources; internal if a source has no file.
    pub(crate) fn open(
        plan: &plan::Layer,
        canvas: &Canvas,
        chroma: Chroma,
        files: &Files,
        context: &mut TextContext,
    ) -> Result<Self> {
        let content = match &plan.asset {
            Asset::Video(video) => {
                let path = path_of(files, &video.picture.source.hash)?;
                Content::Footage(Box::new(Footage::video(video.clone(), canvas.rate, path)?))
            }
            Asset::Image(picture) => {
                let path = path_of(files, &picture.source.hash)?;
                Content::Footage(Box::new(Footage::still(picture.clone(), path, &context.book)?))
            }
            Asset::Text(text) => Content::Text(Box::new(TextBlock::new(text.clone()))),
            Asset::Captions(captions) => {
                Content::Captions(Box::new(CaptionBlock::new(captions.clone())))
            }
            Asset::Shape(shape) => Content::Drawing(VectorDrawing::shape(*shape)),
            Asset::Colour(colour) => Content::Drawing(VectorDrawing::colour(*colour)),
            Asset::Gradient(gradient) => {
                Content::Drawing(VectorDrawing::gradient(gradient.clone()))
            }
            Asset::Waveform(wave) => {
                let path = path_of(files, &wave.source.hash)?;
                Content::Wave(Box::new(Wave::open(wave.clone(), canvas.rate, path)?))
            }
        };
        let mattes = plan.mattes.iter();
        let mattes = mattes.map(|matte| Self::open(matte, canvas, chroma, files, context));
        Ok(Self {
            canvas: *canvas,
            chroma,
            content,
            filters: FilterChain::open(plan, files)?,
            mattes: mattes.collect::<Result<_>>()?,
            plan: plan.clone(),
        })
    }

    /// Draws the layer on the canvas, if it shows on this frame of the segment.
    ///
    /// # Errors
    /// Errors from decoding.
    pub(crate) fn draw(
        &mut self,
        frame: u64,
        canvas: &mut Picture,
        context: &mut TextContext,
    ) -> Result<()> {
        let (Some(pose), Some(clock)) =
            (self.plan.pose_at(&self.canvas, frame), self.plan.clock_at(frame))
        else {
            return Ok(());
        };
        if pose.opacity <= 0.0 || pose.width < 0.5 || pose.height < 0.5 {
            return Ok(());
        }
        let box_pose = BoxPose { pose, resting: !moves_at(&self.plan, clock) };
        let request = self.request(&box_pose, clock, frame);
        let window = Window::whole(canvas.width, canvas.height);
        let mut tiles = Vec::new();
        for patch in self.patches(&request, context)? {
            let patch = self.filters.apply(patch, pose.width / request.width);
            let tile =
                place(&patch, &box_pose, &request, window).and_then(|tile| clip(tile, &pose));
            tiles.extend(tile);
        }
        let matte = self.matte(frame, context)?;
        let simple = matte.is_none() && self.plan.blend == Blend::Normal;
        if simple && (tiles.len() == 1 || pose.opacity >= 1.0) {
            for tile in tiles {
                let opacity = byte(tile.opacity * pose.opacity);
                over(canvas, &tile.picture, tile.x, tile.y, opacity);
            }
            return Ok(());
        }
        let Some(mut joined) = join_tiles(tiles, window) else {
            return Ok(());
        };
        if let Some(matte) = matte {
            let mut picture = Arc::unwrap_or_clone(joined.picture);
            let coverage = matte.coverage(window_at(&picture, joined.x, joined.y));
            mask(&mut picture, &coverage);
            joined.picture = Arc::new(picture);
        }
        let opacity = byte(pose.opacity);
        match self.plan.blend {
            Blend::Normal => over(canvas, &joined.picture, joined.x, joined.y, opacity),
            mode => mix::blend_tile(canvas, &joined, opacity, mode),
        }
        Ok(())
    }

    fn patches(
        &mut self,
        request: &ContentRequest,
        context: &mut TextContext,
    ) -> Result<Vec<Patch>> {
        match &mut self.content {
            Content::Footage(footage) => footage.patches(request),
            Content::Drawing(drawing) => drawing.patches(request),
            Content::Text(block) => Ok(block.patches(request, context)),
            Content::Captions(block) => Ok(block.patches(request, context)),
            Content::Wave(wave) => wave.patches(request),
        }
    }

    /// Returns the request for a frame. At rest the content is drawn at the box's size; in motion
    /// at the largest size that its tween and drift reach, so that a zoom samples one picture
    /// throughout.
    fn request(&self, box_pose: &BoxPose, clock: u64, frame: u64) -> ContentRequest {
        let pose = &box_pose.pose;
        let placement = &self.plan.placement;
        let (box_width, box_height) =
            (placement.width.to_f64().max(0.5), placement.height.to_f64().max(0.5));
        let (width, height) = if box_pose.resting {
            (pose.width, pose.height)
        } else {
            let scale = scale_in_motion(&self.plan, clock);
            (box_width * scale, box_height * scale)
        };
        // Twice the canvas holds everything of it that can be seen.
        let needed_share = |length: f64, canvas: u32| (2.0 * f64::from(canvas) / length).min(1.0);
        let fit = if box_pose.is_plain() {
            1.0
        } else {
            needed_share(width, self.canvas.width).max(needed_share(height, self.canvas.height))
        };
        let plain = box_pose.is_plain();
        ContentRequest {
            width: width * fit,
            height: height * fit,
            scale: width * fit / box_width,
            left: if plain { pose.x.round() as i32 } else { 0 },
            top: if plain { pose.y.round() as i32 } else { 0 },
            chroma: self.chroma,
            clock,
            frame,
        }
    }

    /// Draws the mattes that show on a frame as one picture of the canvas's size; `None` if none
    /// shows.
    fn matte(&mut self, frame: u64, context: &mut TextContext) -> Result<Option<Matte>> {
        if !self.mattes.iter().any(|matte| matte.plan.show.contains(frame)) {
            return Ok(None);
        }
        let (width, height) = (self.canvas.width as usize, self.canvas.height as usize);
        let mut picture = Picture::filled_in(self.chroma, width, height, plan::Rgba::BLACK);
        for matte in &mut self.mattes {
            matte.draw(frame, &mut picture, context)?;
        }
        Ok(Some(Matte(picture)))
    }
}

/// A picture whose brightness is coverage.
struct Matte(Picture);

impl Matte {
    /// Returns full-range luma within a window of the canvas.
    fn coverage(&self, window: Window) -> Vec<u8> {
        let part = crop_to(&self.0, 0, 0, window);
        part.y
            .iter()
            .map(|&luma| ((i32::from(luma.clamp(16, 235)) - 16) * 255 / 219) as u8)
            .collect()
    }
}

fn window_at(picture: &Picture, x: i32, y: i32) -> Window {
    Window { left: x, top: y, right: x + picture.width as i32, bottom: y + picture.height as i32 }
}

/// Joins tiles into one and crops it to the canvas, so that opacity, mattes and blending apply to
/// the layer as a whole.
fn join_tiles(tiles: Vec<Tile>, canvas: Window) -> Option<Tile> {
    let around = tiles.iter().map(tile_area).reduce(|a, b| Window {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    })?;
    let window = around.to_even().intersect(canvas);
    if window.is_empty() {
        return None;
    }
    let mut picture =
        Picture::clear(window.width(), window.height(), tiles.first()?.picture.chroma);
    for tile in &tiles {
        let (x, y) = (tile.x - window.left, tile.y - window.top);
        over(&mut picture, &tile.picture, x, y, byte(tile.opacity));
    }
    Some(Tile { picture: Arc::new(picture), x: window.left, y: window.top, opacity: 1.0 })
}

fn byte(opacity: f64) -> u8 {
    (opacity.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn path_of<'a>(files: &'a Files, hash: &plan::SourceHash) -> Result<&'a std::path::Path> {
    files
        .get(hash)
        .map(std::path::PathBuf::as_path)
        .ok_or_else(|| crate::MediaError::Internal(format!("the source {hash} has no file")))
}
