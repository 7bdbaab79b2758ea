//! Numbers that may change over time: one number, or a list of tweens.

use super::{
    Bounded, Decimal, Definitions, DocumentReader, Form, NumberBounds, brief, choice, described,
    object,
};
use crate::limits::{EASE_Y, SECONDS, SHARE, TWEENS};
use crate::plan::{Easing, Micro};
use serde_json::{Value, json};

/// Number that may change over time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Moving {
    Still(Decimal),
    /// Changes, one after the other.
    Tweens(Vec<Tweened>),
}

object! {
    /// A way from one value to another. Before the first tween its `from` holds, after each its
    /// `to`.
    pub(crate) struct Tweened {
        /// The value at the start; the `to` of the tween before, where left out.
        from: Option<Decimal> = "from",
        /// The value at the end.
        to: Decimal = "to",
        /// Seconds after the clip's start; where left out, the end of the tween before (0 for the
        /// first).
        start: Option<Decimal> = "start" within SECONDS,
        /// Seconds it takes; where left out, to the end of the clip.
        length: Option<Decimal> = "length" within SECONDS,
        /// The kind of way: `linear`, `bezier` (by the easing, `ease` unless named) or `constant`
        /// (a jump at the end).
        interpolation: Option<Interpolation> = "interpolation",
        /// The pace: a name of easings.net or CSS in camelCase (`easeInOutCubic`), or four numbers
        /// of a cubic Bézier curve.
        easing: Option<Pace> = "easing",
    }
}

choice! {
    /// The kind of way from one value to another.
    pub(crate) enum Interpolation {
        /// Evenly.
        Linear = "linear",
        /// By the easing.
        Bezier = "bezier",
        /// The first value holds until the end.
        Constant = "constant",
    }
}

impl Tweened {
    /// The pace that `interpolation` and `easing` together mean.
    pub fn pace(&self) -> Easing {
        match (self.interpolation, &self.easing) {
            (Some(Interpolation::Constant), _) => Easing::Hold,
            (_, Some(Pace(easing))) => *easing,
            (Some(Interpolation::Bezier), None) => Easing::EASE,
            (Some(Interpolation::Linear) | None, None) => Easing::Linear,
        }
    }
}

impl Moving {
    /// Calls `visit` with each value, with the reader at its place.
    pub fn each_value(
        &self,
        reader: &mut DocumentReader,
        mut visit: impl FnMut(Decimal, &mut DocumentReader),
    ) {
        match self {
            Moving::Still(value) => visit(*value, reader),
            Moving::Tweens(tweens) => {
                for (index, tween) in tweens.iter().enumerate() {
                    reader.within(&index.to_string(), |reader| {
                        if let Some(from) = tween.from {
                            reader.within("from", |reader| visit(from, reader));
                        }
                        reader.within("to", |reader| visit(tween.to, reader));
                    });
                }
            }
        }
    }
}

impl Bounded<NumberBounds> for Moving {
    fn check(&self, bounds: &NumberBounds, reader: &mut DocumentReader) {
        self.each_value(reader, |value, reader| value.check(bounds, reader));
    }

    fn restrict(bounds: &NumberBounds, schema: Value) -> Value {
        bounds.restrict(schema)
    }
}

impl Form for Moving {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::Array(_) => {
                let tweens = Vec::<Tweened>::read(value, reader)?;
                tweens.check(&TWEENS, reader);
                Some(Moving::Tweens(tweens))
            }
            Value::Number(_) | Value::String(_) => Decimal::read(value, reader).map(Moving::Still),
            other => {
                reader.fault(format!("is {}: give a number or a list of tweens", brief(other)))
            }
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let tweens = TWEENS.restrict(Vec::<Tweened>::schema(definitions));
        definitions.named("Moving", |_| {
            let about = "A number, or a list of tweens by which it moves.";
            described(json!({ "oneOf": [{ "type": "number" }, tweens] }), &[about])
        })
    }
}

/// Easing, by name or by four numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace(pub Easing);

/// The curves of CSS Easing Level 1 and of easings.net, in thousandths. Those of the families back,
/// expo and circ are the Bézier curves that site gives; bounce and elastic are none and so are not
/// here.
const EASINGS: [(&str, [i64; 4]); 29] = [
    ("ease", [250, 100, 250, 1000]),
    ("easeIn", [420, 0, 1000, 1000]),
    ("easeOut", [0, 0, 580, 1000]),
    ("easeInOut", [420, 0, 580, 1000]),
    ("linear", [0, 0, 1000, 1000]),
    ("easeInSine", [120, 0, 390, 0]),
    ("easeOutSine", [610, 1000, 880, 1000]),
    ("easeInOutSine", [370, 0, 630, 1000]),
    ("easeInQuad", [110, 0, 500, 0]),
    ("easeOutQuad", [500, 1000, 890, 1000]),
    ("easeInOutQuad", [450, 0, 550, 1000]),
    ("easeInCubic", [320, 0, 670, 0]),
    ("easeOutCubic", [330, 1000, 680, 1000]),
    ("easeInOutCubic", [650, 0, 350, 1000]),
    ("easeInQuart", [500, 0, 750, 0]),
    ("easeOutQuart", [250, 1000, 500, 1000]),
    ("easeInOutQuart", [760, 0, 240, 1000]),
    ("easeInQuint", [640, 0, 780, 0]),
    ("easeOutQuint", [220, 1000, 360, 1000]),
    ("easeInOutQuint", [830, 0, 170, 1000]),
    ("easeInExpo", [700, 0, 840, 0]),
    ("easeOutExpo", [160, 1000, 300, 1000]),
    ("easeInOutExpo", [870, 0, 130, 1000]),
    ("easeInCirc", [550, 0, 1000, 450]),
    ("easeOutCirc", [0, 550, 450, 1000]),
    ("easeInOutCirc", [850, 0, 150, 1000]),
    ("easeInBack", [360, 0, 660, -560]),
    ("easeOutBack", [340, 1560, 640, 1000]),
    ("easeInOutBack", [680, -600, 320, 1600]),
];

impl Form for Pace {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            Value::String(name) => match EASINGS.iter().find(|(known, _)| known == name) {
                Some(("linear", _)) => Some(Pace(Easing::Linear)),
                Some((_, thousandths)) => {
                    let curve = thousandths.map(|thousandth| Micro(thousandth * 1000));
                    Some(Pace(Easing::Bezier(curve)))
                }
                None => reader.fault(format!(
                    "is {}: write `ease`, `easeIn`, `easeOut`, `easeInOut`, or one of these with \
                     Sine, Quad, Cubic, Quart, Quint, Expo, Circ or Back after it",
                    brief(value)
                )),
            },
            Value::Array(_) => read_curve(value, reader),
            other => {
                let value = brief(other);
                reader.fault(format!("is {value}: give a name such as `easeOut`, or four numbers"))
            }
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        definitions.named("Easing", |_| {
            let names: Vec<&str> = EASINGS.iter().map(|(name, _)| *name).collect();
            json!({
                "oneOf": [
                    { "enum": names },
                    {
                        "type": "array", "items": { "type": "number" },
                        "minItems": 4, "maxItems": 4,
                    },
                ],
                "description": "A pace by name, or the x1, y1, x2, y2 of a CSS cubic-bezier.",
            })
        })
    }
}

fn read_curve(value: &Value, reader: &mut DocumentReader) -> Option<Pace> {
    let numbers = Vec::<Decimal>::read(value, reader)?;
    let [x1, y1, x2, y2] = *numbers.as_slice() else {
        return reader.fault(format!("has {} numbers: give four", numbers.len()));
    };
    let hold = |index: &str, number: Decimal, bounds: NumberBounds, reader: &mut DocumentReader| {
        reader.within(index, |reader| number.check(&bounds, reader));
    };
    hold("0", x1, SHARE, reader);
    hold("1", y1, EASE_Y, reader);
    hold("2", x2, SHARE, reader);
    hold("3", y2, EASE_Y, reader);
    Some(Pace(Easing::Bezier([x1, y1, x2, y2].map(Decimal::micro))))
}
