//! Reads the orientation of a stored picture.

use ffmpeg_next::codec::packet::side_data::Type;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::frame;

/// The quarter turns and the mirroring that bring a stored picture upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// Degrees clockwise: 0, 90, 180 or 270.
    pub degrees: u16,
    /// Set if left and right are exchanged after the turn.
    pub mirrored: bool,
}

impl Orientation {
    /// A picture that is stored upright.
    pub(crate) const UPRIGHT: Self = Self { degrees: 0, mirrored: false };

    /// Returns this orientation followed by a turn clockwise.
    pub(crate) fn turned(self, degrees: u16) -> Self {
        let degrees = if self.mirrored { 360 - degrees } else { degrees };
        Self { degrees: (self.degrees + degrees) % 360, ..self }
    }

    /// Returns this orientation followed by an exchange of left and right.
    pub(crate) fn mirrored(self) -> Self {
        Self { mirrored: !self.mirrored, ..self }
    }

    /// Returns the degrees for a picture that is mirrored before it is turned, if it is mirrored at
    /// all.
    pub(crate) fn after_mirroring(self) -> u16 {
        if self.mirrored { (360 - self.degrees) % 360 } else { self.degrees }
    }
}

/// Reads a stream's orientation from its display matrix (ISO/IEC 14496-12, §6.2.2) or, if it has
/// none, from the `rotate` tag of older recorders. Other angles are rounded to the nearest quarter
/// turn. `None` if the stream has neither.
#[must_use]
pub(crate) fn stream_orientation(stream: &Stream<'_>) -> Option<Orientation> {
    let matrix = stream
        .side_data()
        .find(|data| data.kind() == Type::DisplayMatrix)
        .and_then(|data| matrix_orientation(data.data()));
    let tag = || {
        let degrees: f64 = stream.metadata().get("rotate")?.trim().parse().ok()?;
        Some(Orientation { degrees: nearest_quarter(degrees), mirrored: false })
    };
    matrix.or_else(tag)
}

/// Reads a frame's own orientation (EXIF, which libav converts to a display matrix).
#[must_use]
pub(crate) fn frame_orientation(frame: &frame::Video) -> Option<Orientation> {
    let data = frame.side_data(ffmpeg_next::frame::side_data::Type::DisplayMatrix)?;
    matrix_orientation(data.data())
}

/// Reads a display matrix of nine native-endian 32-bit numbers. The first, second, fourth and fifth
/// are 16.16 fixed-point: the images of a step to the right and a step down.
fn matrix_orientation(bytes: &[u8]) -> Option<Orientation> {
    let number = |index: usize| -> Option<f64> {
        let four = bytes.get(index * 4..index * 4 + 4)?;
        Some(f64::from(i32::from_ne_bytes(four.try_into().ok()?)))
    };
    let (a, b, c, d) = (number(0)?, number(1)?, number(3)?, number(4)?);
    let mirrored = a * d - b * c < 0.0;
    let a = if mirrored { -a } else { a };
    (a != 0.0 || b != 0.0)
        .then(|| Orientation { degrees: nearest_quarter(b.atan2(a).to_degrees()), mirrored })
}

fn nearest_quarter(degrees: f64) -> u16 {
    let quarters = (degrees / 90.0).round().rem_euclid(4.0);
    (quarters as u16 % 4) * 90
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(a: i32, b: i32) -> Vec<u8> {
        let rows = [a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30];
        rows.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    fn plain(degrees: u16) -> Option<Orientation> {
        Some(Orientation { degrees, mirrored: false })
    }

    #[test]
    fn a_display_matrix_gives_its_quarter_turn() {
        assert_eq!(matrix_orientation(&matrix(1, 0)), plain(0));
        assert_eq!(matrix_orientation(&matrix(0, 1)), plain(90));
        assert_eq!(matrix_orientation(&matrix(-1, 0)), plain(180));
        assert_eq!(matrix_orientation(&matrix(0, -1)), plain(270));
    }

    #[test]
    fn a_mirrored_display_matrix_differs_from_a_turned_one() {
        let flipped = |a: i32, b: i32| {
            let rows = [-a << 16, b << 16, 0, b << 16, a << 16, 0, 0, 0, 1 << 30];
            rows.iter().flat_map(|n: &i32| n.to_ne_bytes()).collect::<Vec<u8>>()
        };
        let mirrored = |degrees| Some(Orientation { degrees, mirrored: true });
        assert_eq!(matrix_orientation(&flipped(1, 0)), mirrored(0));
        assert_eq!(matrix_orientation(&flipped(0, 1)), mirrored(90));
        assert_eq!(matrix_orientation(&flipped(-1, 0)), mirrored(180));
        assert_eq!(mirrored(90).map(Orientation::after_mirroring), Some(270));
    }

    #[test]
    fn a_broken_matrix_gives_none() {
        assert_eq!(matrix_orientation(&[1, 2, 3]), None);
        assert_eq!(matrix_orientation(&matrix(0, 0)), None);
    }
}
