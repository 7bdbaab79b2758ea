//! Transitions, effects and filters: each a name, or an object that says more.

use crate::document::{
    Decimal, Definitions, DocumentReader, Form, Pace, Src, brief, choice, described, object, union,
};
use crate::limits::{ADJUST, BLUR, BRIGHTNESS, EFFECT, TRANSITION};
use crate::plan::{Direction, Easing, TransitionKind};
use serde_json::{Value, json};

/// A transition: what happens, for how long, at what pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TransitionForm {
    /// Which.
    pub kind: TransitionKind,
    /// How long, in seconds.
    pub seconds: Decimal,
    /// At what pace.
    pub easing: Easing,
}

use Direction::{Down, Left, Right, Up};

/// The names, which are also Shotstack's.
const TRANSITIONS: [(&str, TransitionKind); 27] = [
    ("fade", TransitionKind::Fade),
    ("zoom", TransitionKind::Zoom),
    ("reveal", TransitionKind::Reveal(Right)),
    ("revealLeft", TransitionKind::Reveal(Left)),
    ("revealRight", TransitionKind::Reveal(Right)),
    ("revealUp", TransitionKind::Reveal(Up)),
    ("revealDown", TransitionKind::Reveal(Down)),
    ("wipeLeft", TransitionKind::Wipe(Left)),
    ("wipeRight", TransitionKind::Wipe(Right)),
    ("wipeUp", TransitionKind::Wipe(Up)),
    ("wipeDown", TransitionKind::Wipe(Down)),
    ("slideLeft", TransitionKind::Slide(Left)),
    ("slideRight", TransitionKind::Slide(Right)),
    ("slideUp", TransitionKind::Slide(Up)),
    ("slideDown", TransitionKind::Slide(Down)),
    ("carouselLeft", TransitionKind::Carousel(Left)),
    ("carouselRight", TransitionKind::Carousel(Right)),
    ("carouselUp", TransitionKind::Carousel(Up)),
    ("carouselDown", TransitionKind::Carousel(Down)),
    ("shuffleTopRight", TransitionKind::Shuffle { over: Up, swing: Right }),
    ("shuffleRightTop", TransitionKind::Shuffle { over: Right, swing: Up }),
    ("shuffleRightBottom", TransitionKind::Shuffle { over: Right, swing: Down }),
    ("shuffleBottomRight", TransitionKind::Shuffle { over: Down, swing: Right }),
    ("shuffleBottomLeft", TransitionKind::Shuffle { over: Down, swing: Left }),
    ("shuffleLeftBottom", TransitionKind::Shuffle { over: Left, swing: Down }),
    ("shuffleLeftTop", TransitionKind::Shuffle { over: Left, swing: Up }),
    ("shuffleTopLeft", TransitionKind::Shuffle { over: Up, swing: Left }),
];

/// The suffixes of a name, and how long each lasts, in thousandths of a second.
const SPEEDS: [(&str, i64); 3] = [("Fast", 500), ("Slow", 2_000), ("", 1_000)];

/// The pace that suits a family: what only fades or is cut goes evenly, what moves comes gently to
/// its place.
fn usual_pace(kind: TransitionKind) -> Easing {
    match kind {
        TransitionKind::Fade | TransitionKind::Wipe(_) | TransitionKind::Reveal(_) => {
            Easing::Linear
        }
        TransitionKind::Carousel(_) | TransitionKind::Shuffle { .. } => Easing::IN_OUT,
        TransitionKind::Slide(_) | TransitionKind::Zoom => Easing::OUT,
    }
}

fn named_transition(name: &str) -> Option<TransitionForm> {
    SPEEDS.iter().find_map(|(ending, thousandths)| {
        let family = name.strip_suffix(ending)?;
        let (_, kind) = TRANSITIONS.iter().find(|(known, _)| *known == family)?;
        let seconds = Decimal(crate::plan::Ratio::new(*thousandths, 1000).ok()?);
        Some(TransitionForm { kind: *kind, seconds, easing: usual_pace(*kind) })
    })
}

object! {
    /// A transition with a length of its own.
    pub(crate) struct TransitionObject {
        /// The name, such as `fade` or `slideLeft`.
        name: TransitionName = "name",
        /// Seconds it takes; 1 unless said (0.5 for names that end on Fast, 2 for Slow).
        length: Option<Decimal> = "length" within TRANSITION,
        /// The pace; each family has its own unless said.
        easing: Option<Pace> = "easing",
    }
}

/// A transition by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TransitionName(TransitionForm);

impl Form for TransitionName {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str().and_then(named_transition) {
            Some(form) => Some(TransitionName(form)),
            None => reader.fault(format!(
                "is {}: write `fade`, `zoom` or `reveal`; `wipe`, `slide`, `carousel` or `reveal` \
                 with Left, Right, Up or Down; `shuffle` with TopRight, RightTop, RightBottom, \
                 BottomRight, BottomLeft, LeftBottom, LeftTop or TopLeft; Fast or Slow may follow",
                brief(value)
            )),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        definitions.named("TransitionName", |_| {
            let speeds = SPEEDS.iter().rev();
            let names: Vec<String> = speeds
                .flat_map(|(ending, _)| {
                    TRANSITIONS.iter().map(move |(name, _)| format!("{name}{ending}"))
                })
                .collect();
            let about = "A direction says which way the picture or its edge moves.";
            described(json!({ "enum": names }), &[about])
        })
    }
}

impl Form for TransitionForm {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if !value.is_object() {
            return TransitionName::read(value, reader).map(|name| name.0);
        }
        let object = TransitionObject::read(value, reader)?;
        let named = object.name.0;
        Some(TransitionForm {
            kind: named.kind,
            seconds: object.length.unwrap_or(named.seconds),
            easing: object.easing.map_or(named.easing, |pace| pace.0),
        })
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let name = TransitionName::schema(definitions);
        json!({ "oneOf": [name, TransitionObject::schema(definitions)] })
    }
}

/// A slow motion over a whole clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EffectForm {
    /// Which.
    pub kind: EffectKind,
    /// How far: what a zoom adds to the size; what a slide travels, as a share of the frame.
    pub amount: Decimal,
}

/// Slow motions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectKind {
    /// Grows.
    ZoomIn,
    /// Shrinks.
    ZoomOut,
    /// Moves, enlarged so that no edge shows.
    Slide(Direction),
}

const EFFECTS: [(&str, EffectKind); 6] = [
    ("zoomIn", EffectKind::ZoomIn),
    ("zoomOut", EffectKind::ZoomOut),
    ("slideLeft", EffectKind::Slide(Left)),
    ("slideRight", EffectKind::Slide(Right)),
    ("slideUp", EffectKind::Slide(Up)),
    ("slideDown", EffectKind::Slide(Down)),
];

/// How far an effect goes, in thousandths, by the suffix of its name.
const AMOUNTS: [(&str, i64); 3] = [("Fast", 400), ("Slow", 100), ("", 200)];

fn named_effect(name: &str) -> Option<EffectForm> {
    AMOUNTS.iter().find_map(|(ending, thousandths)| {
        let family = name.strip_suffix(ending)?;
        let (_, kind) = EFFECTS.iter().find(|(known, _)| *known == family)?;
        let amount = Decimal(crate::plan::Ratio::new(*thousandths, 1000).ok()?);
        Some(EffectForm { kind: *kind, amount })
    })
}

object! {
    /// An effect with an amount of its own.
    pub(crate) struct EffectObject {
        /// The name, such as `zoomIn`.
        name: EffectName = "name",
        /// The growth of a zoom, or the way of a slide as a share of the frame; 0.2 unless said
        /// (0.4 for names that end on Fast, 0.1 for Slow).
        amount: Option<Decimal> = "amount" within EFFECT,
    }
}

/// An effect by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EffectName(EffectForm);

impl Form for EffectName {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        match value.as_str().and_then(named_effect) {
            Some(form) => Some(EffectName(form)),
            None => reader.fault(format!(
                "is {}: write `zoomIn`, `zoomOut`, `slideLeft`, `slideRight`, `slideUp` or \
                 `slideDown`; Fast or Slow may follow",
                brief(value)
            )),
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        definitions.named("EffectName", |_| {
            let endings = AMOUNTS.iter().rev();
            let names: Vec<String> = endings
                .flat_map(|(ending, _)| {
                    EFFECTS.iter().map(move |(name, _)| format!("{name}{ending}"))
                })
                .collect();
            json!({ "enum": names })
        })
    }
}

impl Form for EffectForm {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if !value.is_object() {
            return EffectName::read(value, reader).map(|name| name.0);
        }
        let object = EffectObject::read(value, reader)?;
        Some(EffectForm { amount: object.amount.unwrap_or(object.name.0.amount), ..object.name.0 })
    }

    fn schema(definitions: &mut Definitions) -> Value {
        json!({ "oneOf": [EffectName::schema(definitions), EffectObject::schema(definitions)] })
    }
}

/// A filter by name, or with settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FilterForm {
    /// As usual.
    Named(FilterName),
    /// With settings.
    Set(FilterObject),
}

choice! {
    /// A change of colour or sharpness.
    pub(crate) enum FilterName {
        /// None.
        None = "none",
        /// Blurred.
        Blur = "blur",
        /// More contrast and colour.
        Boost = "boost",
        /// More contrast.
        Contrast = "contrast",
        /// Darker.
        Darken = "darken",
        /// Lighter.
        Lighten = "lighten",
        /// No colour.
        Greyscale = "greyscale",
        /// No colour, less contrast.
        Muted = "muted",
        /// Every colour's opposite.
        Negative = "negative",
    }
}

union! {
    /// A filter with settings.
    pub(crate) enum FilterObject {
        Blur(BlurFilter) = "blur",
        Adjust(AdjustFilter) = "adjust",
        Lut(LutFilter) = "lut",
    }
}

object! {
    /// A blur.
    pub(crate) struct BlurFilter {
        /// The standard deviation, in pixels; 8 unless said.
        amount: Option<Decimal> = "amount" within BLUR,
    }
}

object! {
    /// Brightness, contrast, saturation.
    pub(crate) struct AdjustFilter {
        /// Added, −1 to 1; 0 unless said.
        brightness: Option<Decimal> = "brightness" within BRIGHTNESS,
        /// A factor; 1 unless said.
        contrast: Option<Decimal> = "contrast" within ADJUST,
        /// A factor; 1 unless said.
        saturation: Option<Decimal> = "saturation" within ADJUST,
    }
}

object! {
    /// A table of colours.
    pub(crate) struct LutFilter {
        /// The address of the `.cube` file.
        src: Src = "src",
    }
}

impl Form for FilterForm {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        if value.is_object() {
            FilterObject::read(value, reader).map(FilterForm::Set)
        } else {
            FilterName::read(value, reader).map(FilterForm::Named)
        }
    }

    fn schema(definitions: &mut Definitions) -> Value {
        let forms = [FilterName::schema(definitions), FilterObject::schema(definitions)];
        described(json!({ "oneOf": forms }), &["A filter by name, or with settings."])
    }
}
