//! Maps high dynamic range to standard: shows a picture made for 1,000 nits on a screen of 203
//! nits.
//!
//! ITU-R BT.2390-10 §5.4: highlights above a knee are compressed, and light below it stays. The
//! curve applies to the largest of R, G and B, and the other two follow in proportion, so colours
//! keep their hue. HLG is first converted to display light (BT.2100-2, table 5).

use super::colour::{ColourEncoding, Gamut, Transfer};
use crate::picture::planes::{Chroma, Picture};
use crate::picture::raster::Raster;
use ffmpeg_next::frame;

/// The brightest light that the curve keeps, in nits: most masters are made for it.
const SOURCE_PEAK: f32 = 1000.0;
/// The light of white in the result, in nits (BT.2408-4, reference white).
const WHITE: f32 = 203.0;
/// Entries of each table.
const STEPS: usize = 4096;
/// The brightest light of PQ, in nits.
const PQ_PEAK: f32 = 10_000.0;

/// The lookup tables for one colour encoding.
pub(crate) struct ToneMap {
    encoding: ColourEncoding,
    /// From a code of 0 to 1 to light: nits for PQ, scene light of 0 to 1 for HLG.
    light: Vec<f32>,
    /// From the PQ code of a pixel's brightest channel to the factor that compresses its light.
    compression: Vec<f32>,
    /// From the square root of light of 0 to 1, which gives dark values enough steps, to an 8-bit
    /// code.
    code: Vec<u8>,
}

impl ToneMap {
    /// Computes the tables for frames of this encoding.
    pub(crate) fn new(encoding: ColourEncoding) -> Self {
        let steps = |map: &dyn Fn(f32) -> f32| -> Vec<f32> {
            (0..STEPS).map(|step| map(step as f32 / (STEPS - 1) as f32)).collect()
        };
        let light = match encoding.transfer {
            Transfer::Hlg => steps(&hlg_to_scene),
            Transfer::Pq | Transfer::Standard => steps(&pq_to_nits),
        };
        let compression = steps(&|pq| {
            let nits = pq_to_nits(pq);
            if nits > 0.0 { pq_to_nits(compressed(pq)) / nits / WHITE } else { 1.0 / WHITE }
        });
        // The display's transfer function (BT.1886): a power of 2.4.
        let code = steps(&|root| ((root * root).powf(1.0 / 2.4) * 255.0).round());
        Self {
            encoding,
            light,
            compression,
            code: code.into_iter().map(|code| code as u8).collect(),
        }
    }

    /// Returns whether the tables were made for frames of this encoding.
    pub(crate) fn is_for(&self, encoding: ColourEncoding) -> bool {
        self.encoding == encoding
    }

    /// Converts a frame in planar YUV 4:4:4 of 16 bits to a picture.
    pub(crate) fn apply(&self, frame: &frame::Video, chroma: Chroma) -> Picture {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let mut raster = Raster::clear(width, height);
        let rows = raster.data.chunks_exact_mut(width * 4);
        for (row, out) in rows.enumerate() {
            let plane = |index: usize| &frame.data(index)[row * frame.stride(index)..][..width * 2];
            let samples = [plane(0), plane(1), plane(2)];
            for (column, out) in out.chunks_exact_mut(4).enumerate() {
                let sample = |plane: usize| {
                    let two = &samples[plane][column * 2..][..2];
                    f32::from(u16::from_le_bytes([two[0], two[1]]))
                };
                let [r, g, b] = self.colour(sample(0), sample(1), sample(2));
                out.copy_from_slice(&[r, g, b, 255]);
            }
        }
        raster.into_picture(chroma)
    }

    fn colour(&self, y: f32, u: f32, v: f32) -> [u8; 3] {
        let codes = self.rgb_codes(y, u, v);
        let light = codes.map(|code| self.light[index(code)]);
        let nits = match self.encoding.transfer {
            Transfer::Hlg => hlg_display(light),
            Transfer::Pq | Transfer::Standard => light,
        };
        let brightest = nits[0].max(nits[1]).max(nits[2]);
        let factor = self.compression[index(nits_to_pq(brightest))];
        let compressed = nits.map(|light| light * factor);
        let narrow = match self.encoding.gamut {
            Gamut::Bt2020 => bt2020_to_709(compressed),
            Gamut::DisplayP3 => p3_to_709(compressed),
            Gamut::Standard | Gamut::CinemaP3 => compressed,
        };
        narrow.map(|light| self.code[index(light.clamp(0.0, 1.0).sqrt())])
    }

    /// Converts 16-bit Y, Cb and Cr to R, G and B codes of 0 to 1.
    fn rgb_codes(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let (black, luma, chroma) = if self.encoding.full_range {
            (0.0, 65_535.0, 65_535.0)
        } else {
            (4_096.0, 56_064.0, 57_344.0)
        };
        let y = (y - black) / luma;
        let (u, v) = ((u - 32_768.0) / chroma, (v - 32_768.0) / chroma);
        // The weights of BT.2020, or of BT.709 if the matrix says so.
        let (kr, kb) = if self.encoding.matrix == 1 { (0.2126, 0.0722) } else { (0.2627, 0.0593) };
        let r = y + 2.0 * (1.0 - kr) * v;
        let b = y + 2.0 * (1.0 - kb) * u;
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        [r, g, b]
    }
}

fn index(share: f32) -> usize {
    (share.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 0.5) as usize
}

/// SMPTE ST 2084, §5.
fn pq_to_nits(code: f32) -> f32 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 32.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0);
    let root = code.max(0.0).powf(1.0 / m2);
    ((root - c1).max(0.0) / (c2 - c3 * root)).powf(1.0 / m1) * PQ_PEAK
}

fn nits_to_pq(nits: f32) -> f32 {
    let (m1, m2) = (2610.0 / 16384.0, 2523.0 / 32.0);
    let (c1, c2, c3) = (3424.0 / 4096.0, 2413.0 / 128.0, 2392.0 / 128.0);
    let power = (nits / PQ_PEAK).clamp(0.0, 1.0).powf(m1);
    ((c1 + c2 * power) / (1.0 + c3 * power)).powf(m2)
}

/// BT.2390-10 §5.4.1, with black at zero on both sides.
fn compressed(pq: f32) -> f32 {
    let source = nits_to_pq(SOURCE_PEAK);
    let most = nits_to_pq(WHITE) / source;
    let knee = 1.5 * most - 0.5;
    let e = (pq / source).min(1.0);
    if e < knee {
        return pq;
    }
    let t = (e - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let curved = (2.0 * t3 - 3.0 * t2 + 1.0) * knee
        + (t3 - 2.0 * t2 + t) * (1.0 - knee)
        + (-2.0 * t3 + 3.0 * t2) * most;
    curved * source
}

/// BT.2100-2, table 5: the inverse of HLG's transfer function.
fn hlg_to_scene(code: f32) -> f32 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_7);
    if code <= 0.5 { code * code / 3.0 } else { (((code - c) / a).exp() + b) / 12.0 }
}

/// Converts HLG scene light to display light on a screen of 1,000 nits: luminance to the power of
/// 0.2 scales all three.
fn hlg_display([r, g, b]: [f32; 3]) -> [f32; 3] {
    let luminance = (0.2627 * r + 0.6780 * g + 0.0593 * b).max(1e-6);
    let factor = SOURCE_PEAK * luminance.powf(0.2);
    [r * factor, g * factor, b * factor]
}

/// BT.2087-0: converts linear light from BT.2020's primaries to BT.709's.
fn bt2020_to_709([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        1.660_5 * r - 0.587_6 * g - 0.072_8 * b,
        -0.124_6 * r + 1.132_9 * g - 0.008_3 * b,
        -0.018_2 * r - 0.100_6 * g + 1.118_7 * b,
    ]
}

/// SMPTE EG 432-1: converts linear light from P3's primaries, with the white of daylight, to
/// BT.709's.
fn p3_to_709([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        1.224_9 * r - 0.224_9 * g,
        -0.042_1 * r + 1.042_1 * g,
        -0.019_6 * r - 0.078_6 * g + 1.098_3 * b,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(transfer: Transfer) -> ToneMap {
        ToneMap::new(ColourEncoding {
            matrix: 9,
            full_range: false,
            transfer,
            gamut: Gamut::Bt2020,
        })
    }

    fn grey(map: &ToneMap, code: f32) -> u8 {
        let [r, g, b] = map.colour(4_096.0 + code * 56_064.0, 32_768.0, 32_768.0);
        assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "grey stays grey: {r} {g} {b}");
        g
    }

    #[test]
    fn pq_and_its_inverse_cancel_and_meet_their_reference_values() {
        for nits in [0.1, 1.0, 100.0, 203.0, 1000.0, 4000.0] {
            assert!((pq_to_nits(nits_to_pq(nits)) / nits - 1.0).abs() < 0.01, "{nits}");
        }
        assert!(
            (nits_to_pq(100.0) - 0.508).abs() < 0.001 && (nits_to_pq(1000.0) - 0.752).abs() < 0.001
        );
    }

    #[test]
    fn dark_parts_keep_their_light_and_the_peak_becomes_white() {
        let map = map(Transfer::Pq);
        assert_eq!((grey(&map, 0.0), grey(&map, nits_to_pq(1000.0))), (0, 255));
        let dark = (20.0f32 / WHITE).powf(1.0 / 2.4) * 255.0;
        assert!((f32::from(grey(&map, nits_to_pq(20.0))) - dark).abs() <= 2.0);
        let ramp: Vec<u8> = (0..=100).map(|step| grey(&map, step as f32 / 100.0)).collect();
        assert!(ramp.is_sorted());
    }

    #[test]
    fn hlg_runs_from_black_to_white() {
        let map = map(Transfer::Hlg);
        assert_eq!((grey(&map, 0.0), grey(&map, 1.0)), (0, 255));
        // HLG's reference white is at three quarters of the signal.
        assert!((200..250).contains(&grey(&map, 0.75)), "{}", grey(&map, 0.75));
    }
}
