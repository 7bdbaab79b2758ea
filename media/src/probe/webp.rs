//! Measures an animated WebP, from its chunks and its first frame.

use super::video;
use crate::Result;
use crate::decode::webp::{AnimatedWebp, AnimationTimes};
use composition::plan::{ColourFacts, Facts, Ratio, VideoFacts};

/// Decodes the first frame and returns the facts. A picture with a single frame is a still.
/// `container` has the facts of the file itself.
///
/// # Errors
/// Bad input if the first frame does not decode.
pub(super) fn facts(mut webp: AnimatedWebp, container: Facts) -> Result<Facts> {
    webp.frame_at(Ratio::ZERO)?;
    let times = webp.times();
    let mut video = describe(&times);
    let image = times.starts_ms.len() == 1;
    if image {
        video::make_still(&mut video);
    }
    let duration = (!image).then(|| seconds(times.length_ms));
    Ok(Facts { image, duration, video: vec![video], ..container })
}

fn describe(times: &AnimationTimes) -> VideoFacts {
    let unknown = || "unknown".to_owned();
    let lengths = || times.starts_ms.windows(2).map(|pair| pair[1] - pair[0]);
    let frames = times.starts_ms.len() as u64;
    VideoFacts {
        index: 0,
        codec: "webp".to_owned(),
        width: times.size.0,
        height: times.size.1,
        rotation: 0,
        sar: Ratio::ONE,
        rate: Ratio::whole(frames as i64).over(seconds(times.length_ms)),
        // A millisecond either way is rounding.
        variable_rate: lengths()
            .min()
            .zip(lengths().max())
            .is_some_and(|(least, most)| most - least > 2),
        frames: Some(frames),
        pixel_format: "rgba".to_owned(),
        bits: 8,
        colour: ColourFacts {
            matrix: unknown(),
            primaries: unknown(),
            transfer: unknown(),
            range: "pc".to_owned(),
        },
        interlaced: false,
        alpha: times.alpha,
        start: Ratio::ZERO,
        keyframes: times.key_frames_ms.iter().copied().map(seconds).collect(),
    }
}

fn seconds(milliseconds: i64) -> Ratio {
    Ratio::new(milliseconds, 1000).unwrap_or(Ratio::ZERO)
}
