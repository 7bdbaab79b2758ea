//! Pictures without a network: a gradient, clouds of noise and a pattern, drawn from a hash of the
//! prompt. The same prompt gives the same picture on every machine. A moving picture is the same
//! picture with a phase that goes around (see `moving`).

use std::{f32::consts::TAU, io::Write, path::Path};

use async_trait::async_trait;
use common::{
    error::{JobError, code},
    kinds::image::ImageInput,
    provenance::{Provenance, Usage},
};

use tokio::sync::Semaphore;

use super::{
    moving,
    port::{OFFLINE, Painter, unwritten},
};
use crate::context::{Context, HandlerError};

/// Pixels of the longer side, at most. Soft pictures lose nothing when they are enlarged.
const LONGEST_SIDE: u32 = 960;
/// How far clouds drift, as a share of the longer side.
const DRIFT: f32 = 0.08;
const NOTICE: &str = "No model was asked: this is a pattern drawn from a hash of the prompt.";

/// The offline painter. It draws at most as many pictures at once as there are cores.
pub(super) struct Procedural {
    cores: Semaphore,
}

impl Procedural {
    /// Creates a painter for the cores of this machine.
    pub fn new() -> Self {
        Self { cores: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)) }
    }

    /// Draws on a thread that may block, when a core is free.
    async fn draw<T: Send + 'static>(
        &self,
        draw: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, JobError> {
        let broken =
            |error: String| JobError::bug(code::PANIC, format!("drawing the picture: {error}"));
        let _core = self.cores.acquire().await.map_err(|error| broken(error.to_string()))?;
        let drawn = tokio::task::spawn_blocking(draw).await;
        drawn.map_err(|error| broken(error.to_string()))?.map_err(unwritten)
    }
}

#[async_trait]
impl Painter for Procedural {
    fn name(&self) -> &str {
        OFFLINE
    }

    fn moves(&self) -> bool {
        true
    }

    fn reads(&self) -> bool {
        false
    }

    async fn paint(
        &self,
        context: &Context,
        input: &ImageInput,
        out: &Path,
    ) -> Result<Provenance, HandlerError> {
        let input = input.clone();
        if input.motion {
            let scratch = context.scratch()?;
            let frames = scratch.inputs().join("frames.y4m");
            let size = self.draw({
                let frames = frames.clone();
                move || moving::draw(&input, &frames)
            });
            moving::film(context, &scratch, frames, size.await?, out).await?;
        } else {
            let out = out.to_owned();
            self.draw(move || std::fs::write(out, picture(&input)?)).await?;
        }
        let usage = Usage { images: 1, ..Usage::default() };
        Ok(Provenance {
            provider: OFFLINE.to_owned(),
            notice: Some(NOTICE.to_owned()),
            usage,
            ..Provenance::default()
        })
    }
}

/// Draws a picture as PNG.
fn picture(input: &ImageInput) -> std::io::Result<Vec<u8>> {
    let (width, height) = size(input.width, input.height);
    encode(width, height, &PatternScene::of(input).pixels(width, height, 0.0))
}

/// Returns the requested shape, at most [`LONGEST_SIDE`] long.
fn size(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= LONGEST_SIDE {
        return (width, height);
    }
    let side = |side: u32| (side * LONGEST_SIDE / longest).max(2);
    (side(width), side(height))
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    file.flush()?;
    Ok(file)
}

/// The colours and shapes of a picture, decided by a hash of its prompt.
pub(super) struct PatternScene {
    seed: u32,
    top: [f32; 3],
    bottom: [f32; 3],
    accent: [f32; 3],
    pattern: Pattern,
    centre: (f32, f32),
    count: f32,
}

#[derive(Debug, Clone, Copy)]
enum Pattern {
    Circles,
    Waves,
    Rays,
    Dots,
}

impl PatternScene {
    /// Decides the scene of a prompt, a style and a seed.
    pub fn of(input: &ImageInput) -> Self {
        let text = format!("{}\n{}\n{}", input.prompt, input.style, input.seed.unwrap_or_default());
        let hash = *blake3::hash(text.as_bytes()).as_bytes();
        let part = |index: usize| f32::from(hash[index]) / 255.0;
        let hue = part(0);
        let patterns = [Pattern::Circles, Pattern::Waves, Pattern::Rays, Pattern::Dots];
        Self {
            seed: u32::from_le_bytes([hash[8], hash[9], hash[10], hash[11]]),
            top: colour(hue, 0.55, 0.18 + 0.12 * part(1)),
            bottom: colour(hue + 0.08 + 0.25 * part(2), 0.6, 0.35 + 0.15 * part(3)),
            accent: colour(hue + 0.5 + 0.1 * part(4), 0.7, 0.6),
            pattern: patterns[usize::from(hash[5]) % patterns.len()],
            centre: (0.2 + 0.6 * part(6), 0.2 + 0.6 * part(7)),
            count: 4.0 + 8.0 * part(12),
        }
    }

    /// Draws the picture in RGB. Its pattern and clouds move with `phase`, and are back after a
    /// whole turn.
    pub fn pixels(&self, width: u32, height: u32, phase: f32) -> Vec<u8> {
        let mut pixels = Vec::with_capacity((width * height * 3) as usize);
        let longest = width.max(height) as f32;
        for y in 0..height {
            let (across, down) = (y as f32 / longest, y as f32 / height as f32);
            for x in 0..width {
                pixels.extend(self.colour(x as f32 / longest, across, down, phase));
            }
        }
        pixels
    }

    /// Returns the colour of a point (in longer sides), at the share `down` of the height.
    fn colour(&self, x: f32, y: f32, down: f32, phase: f32) -> [u8; 3] {
        // Clouds drift on a circle, which is the shortest closed path without a halt.
        let cloud = self.clouds(x + DRIFT * (phase.cos() - 1.0), y + DRIFT * phase.sin());
        let figure = self.figure(x + 0.06 * cloud, y + 0.06 * cloud, phase);
        let mut mixed = [0_u8; 3];
        for (channel, value) in mixed.iter_mut().enumerate() {
            let ground = mix(
                self.top[channel],
                self.bottom[channel],
                (down + 0.35 * (cloud - 0.5)).clamp(0.0, 1.0),
            );
            let lit = mix(ground, self.accent[channel], 0.22 * figure + 0.18 * cloud * cloud);
            *value = (lit.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
        mixed
    }

    /// Returns the pattern at a point, 0 to 1.
    fn figure(&self, x: f32, y: f32, phase: f32) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let wave = match self.pattern {
            Pattern::Circles => ((dx * dx + dy * dy).sqrt() * self.count * TAU - phase).sin(),
            Pattern::Waves => ((y + 0.08 * (x * TAU * 1.5).sin()) * self.count * TAU - phase).sin(),
            Pattern::Rays => (dy.atan2(dx) * self.count.round() + phase).sin(),
            Pattern::Dots => (x * self.count * TAU + phase).sin() * (y * self.count * TAU).sin(),
        };
        let soft = 0.5 + 0.5 * wave;
        soft * soft * (3.0 - 2.0 * soft)
    }

    /// Returns three octaves of value noise, 0 to 1.
    fn clouds(&self, x: f32, y: f32) -> f32 {
        let octave = |scale: f32, share: f32| share * self.noise(x * scale, y * scale);
        octave(3.0, 0.57) + octave(6.0, 0.29) + octave(12.0, 0.14)
    }

    fn noise(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (smooth(x - left), smooth(y - top));
        let at = |dx: u32, dy: u32| {
            self.lattice(
                (left as i32 as u32).wrapping_add(dx),
                (top as i32 as u32).wrapping_add(dy),
            )
        };
        mix(mix(at(0, 0), at(1, 0), u), mix(at(0, 1), at(1, 1), u), v)
    }

    /// Returns a number of 0 to 1 for a point of the lattice: an integer hash with the constants of
    /// the `lowbias32` family.
    fn lattice(&self, x: u32, y: u32) -> f32 {
        let mut hash = self.seed ^ x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x846c_a68b);
        (hash >> 8) as f32 / (1 << 24) as f32
    }
}

fn mix(from: f32, to: f32, share: f32) -> f32 {
    from + (to - from) * share
}

/// Converts HSL to RGB, all 0 to 1; the hue wraps around. The formula is that of CSS Color 4.
fn colour(hue: f32, saturation: f32, lightness: f32) -> [f32; 3] {
    let spread = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + hue.rem_euclid(1.0) * 12.0) % 12.0;
        lightness - spread * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prompt: &str, width: u32, height: u32) -> Vec<u8> {
        picture(&ImageInput { width, height, ..ImageInput::of(prompt) }).expect("a picture")
    }

    #[test]
    fn a_prompt_decides_its_picture() {
        assert_eq!(of("sea", 64, 48), of("sea", 64, 48));
        assert_ne!(of("sea", 64, 48), of("see", 64, 48));
    }

    #[test]
    fn a_picture_keeps_the_shape_asked_for_and_is_not_flat() {
        assert_eq!(size(1080, 1920), (540, 960));
        assert_eq!(size(64, 4_096), (15, 960));
        let file = of("sea", 96, 64);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("pixels");
        assert_eq!((info.width, info.height), (96, 64));
        let (least, most) = (pixels.iter().min(), pixels.iter().max());
        assert!(most > least.map(|least| least.saturating_add(40)).as_ref(), "{least:?} {most:?}");
    }
}
