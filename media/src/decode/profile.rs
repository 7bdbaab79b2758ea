//! Converts the colours of sources that are not those of sRGB and BT.709: of pictures with an ICC
//! profile, and of standard-range sources with the primaries of BT.2020 or P3.
//!
//! Profiles come from outside, so moxcms reads them here, within the media process, and without its
//! paths for particular processors: the result is the same on each.

use super::colour::{ColourEncoding, Gamut};
use ffmpeg_next::color::TransferCharacteristic;
use ffmpeg_next::frame;
use ffmpeg_next::frame::side_data::Type;
use moxcms::{
    ColorProfile, DataColorSpace, Layout, ToneReprCurve, Transform8BitExecutor, TransformOptions,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A conversion whose codes differ by no more than this is left out: it is sRGB under another name.
const NEGLIGIBLE: u8 = 2;
/// The exponent of a screen that shows BT.709 and BT.2020 (BT.1886).
const SCREEN_GAMMA: f32 = 2.4;
/// The transfer function of sRGB, as the parameters of an ICC curve of type 3.
const SRGB_CURVE: [f32; 5] = [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045];

/// The meaning of a frame's codes, where it differs from that of sRGB.
#[derive(Debug, Clone, PartialEq)]
enum SourceColours {
    /// An ICC profile.
    Profile(Vec<u8>),
    /// Wide primaries, and whether the transfer function is sRGB's.
    Primaries(Gamut, bool),
}

/// The conversion to sRGB for the last source that was met.
#[derive(Default)]
pub(crate) struct ColourConversions {
    last: Option<(SourceColours, Option<ToSrgb>)>,
}

/// A conversion to sRGB, in codes of 8 bits.
#[derive(Clone)]
pub(crate) struct ToSrgb {
    transform: Arc<Transform8BitExecutor>,
    /// Set if the profile is one of greys.
    grey: bool,
}

impl ColourConversions {
    /// Returns the conversion that a frame needs; none if its colours are those of sRGB, or if its
    /// profile cannot be used.
    pub(crate) fn of(&mut self, frame: &frame::Video, encoding: ColourEncoding) -> Option<ToSrgb> {
        let source = SourceColours::of(frame, encoding)?;
        if self.last.as_ref().is_none_or(|(last, _)| *last != source) {
            // The bytes come from outside, and a library's panic must not cost the picture.
            let conversion =
                catch_unwind(AssertUnwindSafe(|| ToSrgb::new(&source))).unwrap_or_default();
            self.last = Some((source, conversion));
        }
        self.last.as_ref()?.1.clone()
    }
}

impl SourceColours {
    fn of(frame: &frame::Video, encoding: ColourEncoding) -> Option<Self> {
        if let Some(profile) = frame.side_data(Type::IccProfile) {
            return Some(Self::Profile(profile.data().to_vec()));
        }
        let srgb_curve =
            frame.color_transfer_characteristic() == TransferCharacteristic::IEC61966_2_1;
        (encoding.gamut != Gamut::Standard).then_some(Self::Primaries(encoding.gamut, srgb_curve))
    }
}

impl ToSrgb {
    /// Sets up the conversion; none if it would change nothing, or if the profile is damaged or of
    /// another kind than the picture.
    fn new(source: &SourceColours) -> Option<Self> {
        let (from, to) = match source {
            SourceColours::Profile(bytes) => {
                (ColorProfile::new_from_slice(bytes).ok()?, ColorProfile::new_srgb())
            }
            SourceColours::Primaries(gamut, srgb_curve) => {
                let curve = || {
                    let parameters: &[f32] =
                        if *srgb_curve { &SRGB_CURVE } else { &[SCREEN_GAMMA] };
                    ToneReprCurve::Parametric(parameters.to_vec())
                };
                (
                    with_curve(wide_profile(*gamut), curve),
                    with_curve(ColorProfile::new_srgb(), curve),
                )
            }
        };
        let (layout, grey) = match from.color_space {
            DataColorSpace::Rgb => (Layout::Rgb, false),
            DataColorSpace::Gray => (Layout::Gray, true),
            // libav has converted other inks to RGB by then.
            _ => return None,
        };
        let options = TransformOptions::default();
        let transform = from.create_transform_8bit(layout, &to, Layout::Rgb, options).ok()?;
        let conversion = Self { transform, grey };
        conversion.changes_colours().then_some(conversion)
    }

    fn changes_colours(&self) -> bool {
        let levels = || (0..=255_u8).step_by(51);
        let colours = levels()
            .flat_map(move |r| levels().flat_map(move |g| levels().map(move |b| [r, g, b, 255])));
        let before: Vec<u8> = if self.grey {
            (0..=255).flat_map(|level| [level, level, level, 255]).collect()
        } else {
            colours.flatten().collect()
        };
        let mut after = before.clone();
        self.apply(&mut after);
        before.iter().zip(&after).any(|(before, after)| before.abs_diff(*after) > NEGLIGIBLE)
    }

    /// Converts a row of straight RGBA.
    pub(crate) fn apply(&self, row: &mut [u8]) {
        let from: Vec<u8> = if self.grey {
            row.iter().step_by(4).copied().collect()
        } else {
            row.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        };
        let mut to = vec![0; row.len() / 4 * 3];
        if self.transform.transform(&from, &mut to).is_ok() {
            let pixels = row.chunks_exact_mut(4).zip(to.chunks_exact(3));
            pixels.for_each(|(pixel, colour)| pixel[..3].copy_from_slice(colour));
        }
    }
}

fn wide_profile(gamut: Gamut) -> ColorProfile {
    match gamut {
        Gamut::Standard => ColorProfile::new_srgb(),
        Gamut::DisplayP3 => ColorProfile::new_display_p3(),
        Gamut::CinemaP3 => ColorProfile::new_dci_p3(),
        Gamut::Bt2020 => ColorProfile::new_bt2020(),
    }
}

/// Gives a profile another transfer function. Source and result have the same one, so that greys
/// stay as they are.
fn with_curve(mut profile: ColorProfile, curve: impl Fn() -> ToneReprCurve) -> ColorProfile {
    profile.red_trc = Some(curve());
    profile.green_trc = Some(curve());
    profile.blue_trc = Some(curve());
    profile.cicp = None;
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(source: &SourceColours, colour: [u8; 3]) -> [u8; 3] {
        let mut row = [colour[0], colour[1], colour[2], 77];
        ToSrgb::new(source).expect("a conversion").apply(&mut row);
        assert_eq!(row[3], 77);
        [row[0], row[1], row[2]]
    }

    fn near(found: [u8; 3], right: [u8; 3]) -> bool {
        found.iter().zip(right).all(|(found, right)| found.abs_diff(right) <= 2)
    }

    #[test]
    fn display_p3_and_adobe_rgb_become_the_srgb_that_littlecms_computes() {
        let p3 =
            SourceColours::Profile(ColorProfile::new_display_p3().encode().expect("a profile"));
        let adobe =
            SourceColours::Profile(ColorProfile::new_adobe_rgb().encode().expect("a profile"));
        for (source, given, right) in [
            (&p3, [200, 80, 60], [216, 69, 50]),
            (&p3, [90, 190, 80], [24, 193, 60]),
            (&p3, [60, 90, 200], [50, 91, 207]),
            (&p3, [128, 128, 128], [128, 128, 128]),
            (&adobe, [200, 80, 60], [230, 79, 56]),
            (&adobe, [90, 190, 80], [0, 191, 69]),
            (&adobe, [210, 180, 70], [222, 181, 57]),
        ] {
            let found = converted(source, given);
            assert!(near(found, right), "{given:?} becomes {found:?}, not {right:?}");
        }
    }

    #[test]
    fn wide_primaries_are_converted_and_their_greys_stay() {
        // BT.2087-0 with a screen of gamma 2.4: R 150 G 100 B 100 in BT.2020.
        let wide = SourceColours::Primaries(Gamut::Bt2020, false);
        assert!(near(converted(&wide, [150, 100, 100]), [173, 91, 99]));
        for gamut in [Gamut::Bt2020, Gamut::DisplayP3, Gamut::CinemaP3] {
            for level in [0, 40, 128, 255] {
                let grey = [level; 3];
                let source = SourceColours::Primaries(gamut, false);
                assert!(near(converted(&source, grey), grey), "{gamut:?} {level}");
            }
        }
    }

    #[test]
    fn srgb_itself_and_damaged_profiles_need_no_conversion() {
        let srgb = ColorProfile::new_srgb().encode().expect("a profile");
        assert!(ToSrgb::new(&SourceColours::Profile(srgb.clone())).is_none());
        for length in [0, 4, 128, 200, srgb.len() - 4] {
            let mut conversions = ColourConversions::default();
            let mut frame = frame::Video::new(ffmpeg_next::format::Pixel::RGBA, 2, 2);
            crate::ffi::attach_profile(&mut frame, &srgb[..length]).expect("attached");
            assert!(conversions.of(&frame, ColourEncoding::of(&frame)).is_none());
        }
    }
}
