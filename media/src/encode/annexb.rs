//! Splits byte streams into NAL units (ITU-T H.264 and H.265, annex B), far enough to see what a
//! packet holds and to remove supplemental information.

use composition::plan::VideoCodec;

/// The kinds of NAL unit that the engine tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nal {
    /// A slice of a picture at which decoding can begin, with no reference to anything before it.
    Idr,
    /// Supplemental information. x264 and x265 write their name and settings here, which differ
    /// between builds.
    Sei,
    Parameters,
    /// Any other unit, such as a dependent slice or a delimiter.
    Other,
}

/// Returns the NAL units of a byte stream, without their start codes, each with its kind. Codecs
/// without NAL units have none.
pub(crate) fn units(codec: VideoCodec, stream: &[u8]) -> Vec<(Nal, &[u8])> {
    let starts = start_codes(stream);
    let ends = starts.iter().skip(1).map(|&(code, _)| code).chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .filter(|((_, body), end)| body < end)
        .map(|(&(_, body), end)| {
            let unit = trim_zeros(&stream[body..end]);
            (kind(codec, unit), unit)
        })
        .collect()
}

/// Removes the supplemental information. Each unit that is left gets a four-byte start code.
pub(crate) fn without_sei(codec: VideoCodec, stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stream.len());
    for (_, unit) in units(codec, stream).iter().filter(|(kind, _)| *kind != Nal::Sei) {
        out.extend([0, 0, 0, 1]);
        out.extend_from_slice(unit);
    }
    out
}

/// Returns whether a packet of this codec holds supplemental information.
pub(crate) fn has_sei(codec: VideoCodec, stream: &[u8]) -> bool {
    units(codec, stream).iter().any(|(kind, _)| *kind == Nal::Sei)
}

/// Returns the offset of each start code and that of the unit after it.
fn start_codes(stream: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            let begins = if at > 0 && stream[at - 1] == 0 { at - 1 } else { at };
            found.push((begins, at + 3));
            at += 3;
        } else {
            at += 1;
        }
    }
    found
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

fn kind(codec: VideoCodec, unit: &[u8]) -> Nal {
    let first = unit.first().copied().unwrap_or(0);
    match codec {
        VideoCodec::H264 => match first & 0x1f {
            5 => Nal::Idr,
            6 => Nal::Sei,
            7 | 8 => Nal::Parameters,
            _ => Nal::Other,
        },
        VideoCodec::H265 => match (first >> 1) & 0x3f {
            19 | 20 => Nal::Idr,
            39 | 40 => Nal::Sei,
            32..=34 => Nal::Parameters,
            _ => Nal::Other,
        },
        VideoCodec::Vp9 | VideoCodec::Ffv1 => Nal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn supplemental_information_is_removed_and_the_rest_kept() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x06, 5, 9, 9, 0, 0, 1, 0x65, 7, 8];
        let kinds: Vec<Nal> = units(VideoCodec::H264, &stream).iter().map(|u| u.0).collect();
        assert_eq!(kinds, [Nal::Parameters, Nal::Sei, Nal::Idr]);
        assert!(has_sei(VideoCodec::H264, &stream));
        let kept = without_sei(VideoCodec::H264, &stream);
        assert_eq!(kept, [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x65, 7, 8]);
    }

    #[test]
    fn invalid_streams_have_no_units() {
        assert!(units(VideoCodec::H264, &[]).is_empty());
        assert!(units(VideoCodec::H265, &[0, 0, 1]).is_empty());
        assert!(units(VideoCodec::H264, &[1, 2, 3, 4, 5]).is_empty());
    }
}
