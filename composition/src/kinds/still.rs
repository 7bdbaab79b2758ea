//! `still`: one frame of a composition as a picture.
//!
//! The plan is that of a render, cut down to the frame: a segment of one frame, memoised as any
//! other.

use common::{document, fault::Fault, kind::KindSpec, plan::Draft};
use serde::Serialize;
use serde_json::Value;

use super::{deciding, render};
use crate::{
    Composition,
    document::{Decimal, choice, object},
    limits::MOMENT,
    plan::{ENGINE_VERSION, Format, Ratio},
};

/// Stored name of the kind.
pub const NAME: &str = "still";

/// The kind. Its own task compiles, as that of a render does, and grows the tasks that draw.
pub const SPEC: KindSpec =
    deciding(NAME, ENGINE_VERSION, Some(plan), Some(schema), Some(render::grow));

object! {
    /// Input of a `still` job.
    struct StillInput {
        /// The composition.
        composition: Composition = "composition",
        /// Time of the frame, in seconds from the start; 0 by default.
        t: Option<Decimal> = "t" within MOMENT,
        /// Format of the picture.
        format: PictureFormat = "format" default PictureFormat::Png,
    }
}

choice! {
    /// Format of a picture.
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum PictureFormat {
        /// JPEG.
        Jpg = "jpg",
        /// PNG.
        Png = "png",
        /// WebP.
        Webp = "webp",
    }
}

impl PictureFormat {
    pub(super) fn format(self) -> Format {
        match self {
            Self::Jpg => Format::Jpg,
            Self::Png => Format::Png,
            Self::Webp => Format::Webp,
        }
    }
}

/// The composition, cut down to the frame.
///
/// # Errors
/// Every fault of the input, those of the composition below `/composition`.
pub fn read_input(input: &Value) -> Result<Composition, Vec<Fault>> {
    let StillInput { composition, t, format } = document::read(input)?;
    Ok(composition.still(t.map_or(Ratio::ZERO, |t| t.0), format.format()))
}

fn schema() -> Value {
    document::schema::<StillInput>(NAME)
}

fn plan(input: &Value) -> Result<Vec<Draft>, Vec<Fault>> {
    let composition = read_input(input)?;
    Ok(render::behind_sources(NAME, input, &composition))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{assemble, segment};
    use serde_json::json;

    fn input(t: Value) -> Value {
        json!({"t": t, "format": "jpg", "composition": {
            "timeline": {"tracks": [{"clips": [
                {"asset": {"type": "text", "text": "Hello"}, "start": 0, "length": 9},
            ]}]},
            "output": {"format": "mp4", "size": {"width": 320, "height": 180}, "fps": 25},
        }})
    }

    #[test]
    fn a_still_is_one_segment_of_one_frame_and_the_picture_of_it() {
        let composition = read_input(&input(json!(2.5))).expect("an input");
        let plan = render::run(&composition, Vec::new()).expect("a plan");
        assert_eq!(plan.segments.iter().map(|segment| segment.frames).collect::<Vec<_>>(), [1]);
        let drafts = render::grow(&Value::Null, &json!(plan)).expect("drafts");
        let kinds: Vec<_> = drafts.iter().map(|draft| draft.kind).collect();
        assert_eq!(kinds, [segment::NAME, assemble::NAME]);
    }

    #[test]
    fn faults_of_the_time_and_of_the_composition_are_reported_together() {
        let mut bad = input(json!(-1));
        bad["composition"]["output"]["fps"] = json!(1000);
        let faults = plan(&bad).expect_err("faults");
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/composition/output/fps", "/t"]);
    }
}
