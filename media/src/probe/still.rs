//! Measures a still picture, from its decoded frame.

use super::video;
use crate::decode::still::StillPicture;
use composition::plan::Facts;

/// Returns the facts of a still picture. `container` has the facts of the file itself.
pub(super) fn facts(still: &StillPicture, container: Facts) -> Facts {
    let video = video::still_facts(&still.frame(), still.codec());
    Facts { image: true, video: vec![video], ..container }
}
