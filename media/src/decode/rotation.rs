//! How a stored picture is turned for showing.

use ffmpeg_next::codec::packet::side_data::Type;
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::frame;

/// A stream's turn, clockwise, in degrees: 0, 90, 180 or 270, from its display matrix (ISO/IEC 14496-12, §6.2.2) or, where
/// it has none, from its `rotate` tag, as older recorders wrote it. Other angles count as the nearest of these. `None` where
/// the stream says nothing.
#[must_use]
pub(crate) fn rotation_of(stream: &Stream<'_>) -> Option<u16> {
    let matrix =
        stream.side_data().find(|data| data.kind() == Type::DisplayMatrix).and_then(|data| turn_of_matrix(data.data()));
    let tag = || {
        let degrees: f64 = stream.metadata().get("rotate")?.trim().parse().ok()?;
        Some(nearest_quarter(degrees))
    };
    matrix.or_else(tag)
}

/// A frame's own turn, as pictures say it (EXIF orientation, which libav hands on as a display matrix).
#[must_use]
pub(crate) fn rotation_of_frame(frame: &frame::Video) -> Option<u16> {
    let data = frame.side_data(ffmpeg_next::frame::side_data::Type::DisplayMatrix)?;
    turn_of_matrix(data.data())
}

/// The turn in a display matrix of nine native-endian 32-bit numbers, the upper left four of them 16.16 fixed-point.
fn turn_of_matrix(bytes: &[u8]) -> Option<u16> {
    let number = |index: usize| -> Option<f64> {
        let four = bytes.get(index * 4..index * 4 + 4)?;
        Some(f64::from(i32::from_ne_bytes(four.try_into().ok()?)))
    };
    let (a, b) = (number(0)?, number(1)?);
    (a != 0.0 || b != 0.0).then(|| nearest_quarter(b.atan2(a).to_degrees()))
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

    #[test]
    fn a_display_matrix_gives_its_quarter_turn() {
        assert_eq!(turn_of_matrix(&matrix(1, 0)), Some(0));
        assert_eq!(turn_of_matrix(&matrix(0, 1)), Some(90));
        assert_eq!(turn_of_matrix(&matrix(-1, 0)), Some(180));
        assert_eq!(turn_of_matrix(&matrix(0, -1)), Some(270));
    }

    #[test]
    fn a_broken_matrix_gives_none() {
        assert_eq!(turn_of_matrix(&[1, 2, 3]), None);
        assert_eq!(turn_of_matrix(&matrix(0, 0)), None);
    }
}
