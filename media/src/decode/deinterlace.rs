//! Makes whole frames from frames of two fields.
//!
//! The field that comes first in time stays as it is. A line of the other field is kept if nothing
//! moves there; otherwise it is interpolated from its neighbours along edges. Motion is measured
//! between the frame and the next one. So a result depends on two frames of the source and on no
//! earlier state. (The method of yadif, without the previous frame.)

use super::colour::ColourEncoding;
use super::scaler::{FrameRect, ScaleTarget, Scalers};
use crate::error::Result;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

/// Deinterlaces a frame, with the help of the frame after it.
///
/// # Errors
/// Errors from converting the frame to planes of 8 bits.
pub(crate) fn deinterlaced(
    frame: &frame::Video,
    next: Option<&frame::Video>,
    scalers: &mut Scalers,
) -> Result<frame::Video> {
    let mut whole = planar(frame, scalers)?;
    let same = |next: &&frame::Video| {
        (next.width(), next.height(), next.format())
            == (frame.width(), frame.height(), frame.format())
    };
    let next = next.filter(same).map(|next| planar(next, scalers)).transpose()?;
    let first_parity = usize::from(!frame.is_top_first());
    for plane in 0..3 {
        let (stride, width, height) = (
            whole.stride(plane),
            whole.plane_width(plane) as usize,
            whole.plane_height(plane) as usize,
        );
        let current = whole.data(plane).to_vec();
        let later = next.as_ref().map_or(current.clone(), |next| next.data(plane).to_vec());
        let pair = PlanePair { current: &current, later: &later, stride, width, height };
        let out = whole.data_mut(plane);
        for line in (0..height).filter(|line| line % 2 != first_parity) {
            pair.redraw(line, &mut out[line * stride..][..width]);
        }
    }
    whole.set_color_space(frame.color_space());
    whole.set_color_range(frame.color_range());
    whole.set_color_primaries(frame.color_primaries());
    whole.set_color_transfer_characteristic(frame.color_transfer_characteristic());
    Ok(whole)
}

/// Returns the frame in planes of 8 bits without mixing lines: formats with half the chroma lines
/// keep them as stored.
fn planar(frame: &frame::Video, scalers: &mut Scalers) -> Result<frame::Video> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let halved = frame.format().descriptor().is_some_and(|format| format.log2_chroma_h() == 1);
    let format = if halved { Pixel::YUV420P } else { Pixel::YUV444P };
    let target = ScaleTarget { format, size: (width, height), keeps_encoding: true };
    let scaled =
        scalers.scale(frame, FrameRect::whole(width, height), target, ColourEncoding::of(frame))?;
    Ok(scaled.clone())
}

/// The same plane of the frame and of the next one.
struct PlanePair<'a> {
    current: &'a [u8],
    later: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl PlanePair<'_> {
    fn redraw(&self, line: usize, out: &mut [u8]) {
        let above = line.checked_sub(1).unwrap_or(line + 1).min(self.height - 1);
        let below = if line + 1 < self.height { line + 1 } else { above };
        let row = |plane: &'_ [u8], line: usize| -> Vec<u8> {
            plane[line * self.stride..][..self.width].to_vec()
        };
        let (a, b) = (row(self.current, above), row(self.current, below));
        let (woven, next) = (row(self.current, line), row(self.later, line));
        let (next_a, next_b) = (row(self.later, above), row(self.later, below));
        for x in 0..self.width {
            let change = woven[x]
                .abs_diff(next[x])
                .max(a[x].abs_diff(next_a[x]))
                .max(b[x].abs_diff(next_b[x]));
            let low = woven[x].saturating_sub(change);
            let high = woven[x].saturating_add(change);
            out[x] = along_edges(&a, &b, x).clamp(low, high);
        }
    }
}

/// Returns the mean of two neighbours above and below, in the direction in which the lines differ
/// least.
fn along_edges(above: &[u8], below: &[u8], x: usize) -> u8 {
    let last = above.len() as i64 - 1;
    let at = |line: &[u8], x: i64| i32::from(line[x.clamp(0, last) as usize]);
    let x = x as i64;
    let cost = |shift: i64| -> i32 {
        (-1..=1).map(|near| (at(above, x + near + shift) - at(below, x + near - shift)).abs()).sum()
    };
    let mut best = (0, cost(0) - 1);
    for shift in [-1, 1, -2, 2] {
        let found = cost(shift);
        if found < best.1 {
            best = (shift, found);
        }
    }
    ((at(above, x + best.0) + at(below, x - best.0) + 1) / 2) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<'a>(current: &'a [u8], later: &'a [u8], width: usize) -> PlanePair<'a> {
        PlanePair { current, later, stride: width, width, height: current.len() / width }
    }

    #[test]
    fn still_parts_keep_every_line() {
        let plane: Vec<u8> = (0..64).map(|at| (at * 37 % 251) as u8).collect();
        let mut out = [0; 8];
        pair(&plane, &plane, 8).redraw(3, &mut out);
        assert_eq!(out, plane[24..32]);
    }

    #[test]
    fn moving_parts_are_interpolated_from_their_neighbours() {
        let combed: Vec<u8> = (0..64).map(|at| if at / 8 % 2 == 0 { 200 } else { 20 }).collect();
        let later = vec![20; 64];
        let mut out = [0; 8];
        pair(&combed, &later, 8).redraw(3, &mut out);
        assert_eq!(out, [200; 8]);
    }
}
