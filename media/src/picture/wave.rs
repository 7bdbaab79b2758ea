//! Draws a picture of the sound around the current moment.

use super::content::{ContentRequest, Patch};
use super::procedural::{paint_of, rounded};
use super::raster::Raster;
use crate::error::Result;
use crate::sound::reader::SoundReader;
use composition::plan::{Rate, Ratio, WaveStyle, Waveform};
use std::collections::VecDeque;
use std::path::Path;
use tiny_skia::{FillRule, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Samples a second that are read: enough for the outline of any sound.
const RATE: u32 = 8_000;

/// A waveform's content. It reads its sound forward, as a segment requests it.
pub(crate) struct Wave {
    plan: Waveform,
    rate: Rate,
    reader: SoundReader,
    /// The amplitude of each sample that may still be needed, and the position of the first.
    amplitudes: VecDeque<f32>,
    first: i64,
}

impl Wave {
    /// Opens the sound.
    ///
    /// # Errors
    /// Errors from opening a source.
    pub(crate) fn open(plan: Waveform, rate: Rate, path: &Path) -> Result<Self> {
        // Always from the start: a resampler's output depends on where it began, and no frame may
        // depend on its segment.
        let reader = SoundReader::open(path, plan.source.stream, RATE, 0)?;
        Ok(Self { plan, rate, reader, amplitudes: VecDeque::new(), first: 0 })
    }

    /// Draws the waveform at the request's clock.
    ///
    /// # Errors
    /// Errors from decoding.
    pub(crate) fn patches(&mut self, request: &ContentRequest) -> Result<Vec<Patch>> {
        let (from, length) = self.span(request.clock);
        self.read_to(from, from + length as i64)?;
        let Some(mut pixmap) =
            Pixmap::new(request.width.ceil() as u32, request.height.ceil() as u32)
        else {
            return Ok(Vec::new());
        };
        let (width, height) = (request.width as f32, request.height as f32);
        let paint = paint_of(self.plan.colour);
        let mut path = PathBuilder::new();
        let middle = height / 2.0;
        match self.plan.style {
            WaveStyle::Bars { count } => {
                self.bars(&mut path, from, length, count.max(1), width, height)
            }
            WaveStyle::Filled => {
                let columns = (width / 2.0).ceil().max(2.0) as usize;
                let peaks: Vec<f32> =
                    (0..columns).map(|at| self.peak(from, length, at, columns)).collect();
                let x = |at: usize| at as f32 * width / (columns - 1) as f32;
                path.move_to(0.0, middle);
                peaks
                    .iter()
                    .enumerate()
                    .for_each(|(at, peak)| path.line_to(x(at), middle - (peak * middle).max(0.5)));
                let back = peaks.iter().enumerate().rev();
                back.for_each(|(at, peak)| path.line_to(x(at), middle + (peak * middle).max(0.5)));
                path.close();
            }
            WaveStyle::Line { width: thickness } => {
                let columns = (width / 2.0).ceil().max(2.0) as usize;
                for at in 0..columns {
                    let swing =
                        self.peak(from, length, at, columns) * if at % 2 == 0 { 1.0 } else { -1.0 };
                    let (x, y) =
                        (at as f32 * width / (columns - 1) as f32, middle - swing * middle);
                    if at == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
                }
                let pen = Stroke {
                    width: (thickness.to_f64() * request.scale) as f32,
                    ..Stroke::default()
                };
                if let Some(path) = path.finish() {
                    pixmap.stroke_path(&path, &paint, &pen, Transform::identity(), None);
                }
                return Ok(vec![Patch::from_raster(Raster::from_pixmap(pixmap), 0, 0, request)]);
            }
        }
        if let Some(path) = path.finish() {
            pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
        }
        Ok(vec![Patch::from_raster(Raster::from_pixmap(pixmap), 0, 0, request)])
    }

    fn bars(
        &self,
        path: &mut PathBuilder,
        from: i64,
        length: usize,
        count: u32,
        width: f32,
        height: f32,
    ) {
        let step = width / count as f32;
        let thickness = (step * 0.6).max(1.0);
        for at in 0..count as usize {
            let bar_height =
                (self.peak(from, length, at, count as usize) * height).max(thickness.min(height));
            let left = at as f32 * step + (step - thickness) / 2.0;
            let top = (height - bar_height) / 2.0;
            let bar = Rect::from_xywh(left, top, thickness, bar_height)
                .and_then(|rect| rounded(rect, thickness / 2.0));
            if let Some(bar) = bar {
                path.push_path(&bar);
            }
        }
    }

    /// Returns the first sample and the number of samples that the box spans at a clock.
    fn span(&self, clock: u64) -> (i64, usize) {
        let played = self.rate.seconds(clock).times(self.plan.speed);
        let window = self.plan.window.times(self.plan.speed);
        let now = self.plan.trim.plus(played);
        let samples = |seconds: Ratio| seconds.times(Ratio::whole(i64::from(RATE))).round_half_up();
        let length = samples(window).clamp(1, i64::from(RATE) * 600);
        (samples(now) - length / 2, length as usize)
    }

    fn read_to(&mut self, from: i64, to: i64) -> Result<()> {
        while self.first + (self.amplitudes.len() as i64) < to {
            let mut block = [[0.0; 2]; 1024];
            self.reader.fill(&mut block)?;
            self.amplitudes.extend(block.iter().map(|[left, right]| left.abs().max(right.abs())));
        }
        while self.first < from && !self.amplitudes.is_empty() {
            self.amplitudes.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    /// Returns the peak in one of `columns` equal parts of the span, 0 to 1.
    fn peak(&self, from: i64, length: usize, column: usize, columns: usize) -> f32 {
        let at = |column: usize| from + (column * length / columns) as i64;
        (at(column)..at(column + 1).max(at(column) + 1))
            .filter_map(|place| usize::try_from(place - self.first).ok())
            .filter_map(|place| self.amplitudes.get(place))
            .fold(0.0f32, |peak, value| peak.max(*value))
            .min(1.0)
    }
}
