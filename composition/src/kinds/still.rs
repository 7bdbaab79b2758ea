//! `still`: one frame of a composition as a picture. `{"composition": …, "t": seconds, "format": "png"}` → the picture.
//!
//! The plan is a render's, cut down to the frame: what shows in it is a segment of one frame, memoised as any other, and nothing else is drawn.

use common::{fault::Fault, kind::KindSpec, kinds::read, plan::Draft};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::{deciding, render};
use crate::{
    Composition,
    document::parse_decimal,
    parse,
    plan::{ENGINE_VERSION, Format, Ratio},
};

/// The stored name.
pub const NAME: &str = "still";

/// The kind. Its own task compiles, as a render's does, and grows into what draws.
pub const SPEC: KindSpec = deciding(NAME, ENGINE_VERSION, Some(plan), Some(render::grow));

/// What a client writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    composition: Value,
    #[serde(default)]
    t: Option<Number>,
    #[serde(default)]
    format: PictureFormat,
}

/// The kinds of picture that are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PictureFormat {
    Jpg,
    #[default]
    Png,
    Webp,
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

/// The composition as the picture that is asked for.
///
/// # Errors
/// Every fault of the input, those of the composition below `/composition`.
pub fn read_input(input: &Value) -> Result<Composition, Vec<Fault>> {
    let asked: Asked = read(input)?;
    let moment = moment(asked.t.as_ref());
    let composition = parse(&asked.composition)
        .map_err(|faults| faults.into_iter().map(|fault| fault.under("/composition")));
    match (composition, moment) {
        (Ok(composition), Ok(moment)) => Ok(composition.still(moment, asked.format.format())),
        (composition, moment) => {
            Err(composition.err().into_iter().flatten().chain(moment.err()).collect())
        }
    }
}

/// A time in seconds, from nought on.
pub(super) fn moment(t: Option<&Number>) -> Result<Ratio, Fault> {
    let Some(t) = t else { return Ok(Ratio::ZERO) };
    match parse_decimal(&t.to_string()) {
        Some(seconds) if seconds >= Ratio::ZERO => Ok(seconds),
        _ => Err(Fault::new("/t", format!("is {t}: give seconds from the start, such as 2.5"))),
    }
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
            "timeline": {"tracks": [{"clips": [{"asset": {"type": "text", "text": "Hello"}, "start": 0, "length": 9}]}]},
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
    fn faults_of_the_time_and_of_the_composition_are_told_together() {
        let mut bad = input(json!(-1));
        bad["composition"]["output"]["fps"] = json!(1000);
        let faults = plan(&bad).expect_err("faults");
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/composition/output/fps", "/t"]);
    }
}
