//! Reads the colour tags of a decoded frame.

use ffmpeg_next::color::{Primaries, Range, Space, TransferCharacteristic};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame;

/// The transfer function between a frame's codes and light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Standard dynamic range, shown unchanged.
    Standard,
    /// Perceptual quantiser, SMPTE ST 2084.
    Pq,
    /// Hybrid log-gamma, ARIB STD-B67.
    Hlg,
}

/// The primaries of a frame's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gamut {
    /// Those of BT.709 and sRGB, or so near to them that they are shown unchanged.
    Standard,
    /// Those of P3 with the white of daylight.
    DisplayP3,
    /// Those of P3 with the white of cinemas.
    CinemaP3,
    Bt2020,
}

/// The matrix, range, transfer function and primaries of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ColourEncoding {
    /// The matrix, as libswscale's `SWS_CS_*` number.
    pub matrix: i32,
    /// Set for full range, unset for limited range.
    pub full_range: bool,
    pub transfer: Transfer,
    pub gamut: Gamut,
}

impl ColourEncoding {
    /// Reads a frame's tags. A missing matrix is guessed as players do: BT.601 up to 576 lines
    /// and 1,024 columns, BT.709 above.
    pub(crate) fn of(frame: &frame::Video) -> Self {
        let guess = if frame.height() > 576 || frame.width() > 1024 {
            Space::BT709
        } else {
            Space::SMPTE170M
        };
        let space = match frame.color_space() {
            Space::Unspecified | Space::Reserved | Space::RGB => guess,
            space => space,
        };
        let transfer = match frame.color_transfer_characteristic() {
            TransferCharacteristic::SMPTE2084 => Transfer::Pq,
            TransferCharacteristic::ARIB_STD_B67 => Transfer::Hlg,
            _ => Transfer::Standard,
        };
        Self {
            matrix: matrix_number(space),
            full_range: frame.color_range() == Range::JPEG || is_always_full(frame.format()),
            transfer,
            gamut: match frame.color_primaries() {
                Primaries::BT2020 => Gamut::Bt2020,
                Primaries::SMPTE431 => Gamut::CinemaP3,
                Primaries::SMPTE432 => Gamut::DisplayP3,
                _ => Gamut::Standard,
            },
        }
    }

    /// Returns whether the frame needs tone mapping.
    pub(crate) fn is_hdr(self) -> bool {
        self.transfer != Transfer::Standard
    }

    /// Returns whether the codes are those of the compositor: BT.709, limited range.
    pub(crate) fn is_native(self) -> bool {
        !self.full_range && self.matrix == matrix_number(Space::BT709)
    }
}

/// Returns libswscale's `SWS_CS_*` constant for a matrix, which follows the codes of ITU-T H.273.
pub(crate) fn matrix_number(space: Space) -> i32 {
    match space {
        Space::BT709 => 1,
        Space::FCC => 4,
        Space::SMPTE240M => 7,
        Space::BT2020NCL | Space::BT2020CL => 9,
        _ => 5,
    }
}

fn is_always_full(format: Pixel) -> bool {
    matches!(format, Pixel::YUVJ420P | Pixel::YUVJ422P | Pixel::YUVJ444P | Pixel::YUVJ440P)
}
