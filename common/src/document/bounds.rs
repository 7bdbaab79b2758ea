//! Bounds that a declaration sets on a member with `within`.

use serde_json::{Value, json};

use super::{DocumentReader, Form};

/// A form that bounds of type `B` can be set on.
pub trait Bounded<B>: Form {
    /// Reports where the value is out of bounds.
    fn check(&self, bounds: &B, reader: &mut DocumentReader);

    /// Reads a value and checks it.
    fn read_within(value: &Value, bounds: &B, reader: &mut DocumentReader) -> Option<Self> {
        let read = Self::read(value, reader)?;
        read.check(bounds, reader);
        Some(read)
    }

    /// Adds the bounds to the schema of the form.
    fn restrict(_: &B, schema: Value) -> Value {
        schema
    }
}

/// Refuses a member that is planned and not there yet, with what to do in its place.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported(pub &'static str);

impl Bounded<Unsupported> for Value {
    fn check(&self, bounds: &Unsupported, reader: &mut DocumentReader) {
        reader.fault::<()>(format!("is not supported yet: {}", bounds.0));
    }
}

/// Least and most of a number or of a list's length, both included.
#[derive(Clone, Copy, Debug)]
pub struct NumberBounds {
    /// Numerator and denominator: least values below one occur.
    least: (i64, i64),
    most: i64,
    unit: &'static str,
}

impl NumberBounds {
    /// Bounds in whole numbers. `unit` is its name in a sentence, with a leading space, or empty.
    pub const fn new(least: i64, most: i64, unit: &'static str) -> Self {
        Self { least: (least, 1), most, unit }
    }

    /// Bounds whose least is one part of `den`.
    pub const fn from_part(den: i64, most: i64, unit: &'static str) -> Self {
        Self { least: (1, den), most, unit }
    }

    /// Bounds of a list's length, with bounds of each of its items.
    pub const fn of<B: Copy>(self, item: B) -> ListBounds<B> {
        ListBounds { length: self, item }
    }

    /// Returns whether the fraction `num / den` is within; `den` is positive.
    pub fn contains(&self, num: i64, den: i64) -> bool {
        let [num, den] = [num, den].map(i128::from);
        let (least, part) = (i128::from(self.least.0), i128::from(self.least.1));
        least * den <= num * part && num <= i128::from(self.most) * den
    }

    /// Reports a fraction that is out of bounds.
    pub fn check_fraction(&self, num: i64, den: i64, reader: &mut DocumentReader) {
        if !self.contains(num, den) {
            let (number, least) = (decimal((num, den)), decimal(self.least));
            let Self { most, unit, .. } = self;
            reader.fault::<()>(format!("is {number}: keep it within {least} and {most}{unit}"));
        }
    }

    fn check_length(&self, length: usize, reader: &mut DocumentReader) {
        let Self { least, most, unit } = self;
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if length > *most {
            reader.fault::<()>(format!("has {length}{unit}: at most {most} are taken"));
        }
        if length < least.0 {
            reader.fault::<()>(format!("has {length}{unit}: give at least {}", least.0));
        }
    }

    /// The schema of a number or a list within the bounds.
    pub fn restrict(&self, mut schema: Value) -> Value {
        let (least, most) = if schema["type"] == "array" {
            ("minItems", "maxItems")
        } else {
            ("minimum", "maximum")
        };
        if schema.get("$ref").is_none() && schema.get("oneOf").is_none() {
            let (num, den) = self.least;
            schema[least] = if den == 1 { json!(num) } else { json!(decimal((num, den))) };
            schema[most] = json!(self.most);
        }
        schema
    }
}

fn decimal((num, den): (i64, i64)) -> f64 {
    num as f64 / den as f64
}

/// Bounds of a list and of its items.
#[derive(Clone, Copy, Debug)]
pub struct ListBounds<B> {
    length: NumberBounds,
    item: B,
}

/// Checks the content of a text, and says what is wrong with it.
pub type TextRule = fn(&str) -> Result<(), String>;

/// Bounds of a text: its length, and a rule about its content.
#[derive(Clone, Copy, Debug)]
pub struct TextBounds {
    most: usize,
    unit: TextUnit,
    may_be_empty: bool,
    rule: Option<TextRule>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum TextUnit {
    Characters,
    Bytes,
}

impl TextBounds {
    /// At most `most` characters, not only white space.
    pub const fn characters(most: usize) -> Self {
        Self { most, unit: TextUnit::Characters, may_be_empty: false, rule: None }
    }

    /// At most `most` bytes as UTF-8, not only white space.
    pub const fn bytes(most: usize) -> Self {
        Self { unit: TextUnit::Bytes, ..Self::characters(most) }
    }

    /// Any text that passes a rule, whose error completes a sentence: "is not …: give …".
    pub const fn passing(rule: TextRule) -> Self {
        Self { rule: Some(rule), ..Self::characters(usize::MAX).or_empty() }
    }

    /// Allows an empty text.
    pub const fn or_empty(self) -> Self {
        Self { may_be_empty: true, ..self }
    }

    /// Adds a rule, as [`passing`](Self::passing) has it.
    pub const fn and(self, rule: TextRule) -> Self {
        Self { rule: Some(rule), ..self }
    }

    fn excess(&self, text: &str) -> Option<String> {
        let most = self.most;
        let length = match self.unit {
            TextUnit::Characters => text.chars().count(),
            TextUnit::Bytes => text.len(),
        };
        (length > most).then(|| match self.unit {
            TextUnit::Characters => {
                format!("has {length} characters: at most {most} are taken")
            }
            TextUnit::Bytes => format!("is {length} bytes long: at most {most} are taken"),
        })
    }
}

impl Bounded<TextBounds> for String {
    fn check(&self, bounds: &TextBounds, reader: &mut DocumentReader) {
        if !bounds.may_be_empty && self.trim().is_empty() {
            reader.fault::<()>("is empty: write something");
        }
        if let Some(detail) = bounds.excess(self) {
            reader.fault::<()>(detail);
        }
        if let Some(Err(detail)) = bounds.rule.map(|rule| rule(self)) {
            reader.fault::<()>(detail);
        }
    }

    fn restrict(bounds: &TextBounds, mut schema: Value) -> Value {
        if !bounds.may_be_empty {
            schema["minLength"] = json!(1);
        }
        // JSON Schema counts characters.
        if bounds.unit == TextUnit::Characters && bounds.most < usize::MAX {
            schema["maxLength"] = json!(bounds.most);
        }
        if bounds.unit == TextUnit::Bytes {
            schema["x-maxBytes"] = json!(bounds.most);
        }
        schema
    }
}

impl<F: Form> Bounded<NumberBounds> for Vec<F> {
    fn check(&self, bounds: &NumberBounds, reader: &mut DocumentReader) {
        bounds.check_length(self.len(), reader);
    }

    fn restrict(bounds: &NumberBounds, schema: Value) -> Value {
        bounds.restrict(schema)
    }
}

impl<B, F: Bounded<B>> Bounded<ListBounds<B>> for Vec<F> {
    fn check(&self, bounds: &ListBounds<B>, reader: &mut DocumentReader) {
        bounds.length.check_length(self.len(), reader);
        for (index, item) in self.iter().enumerate() {
            reader.within(&index.to_string(), |reader| item.check(&bounds.item, reader));
        }
    }

    /// Holds the items after one that cannot be read to their bounds, too.
    fn read_within(
        value: &Value,
        bounds: &ListBounds<B>,
        reader: &mut DocumentReader,
    ) -> Option<Self> {
        if let Value::Array(items) = value {
            bounds.length.check_length(items.len(), reader);
        }
        reader.items(value, |item, reader| F::read_within(item, &bounds.item, reader))
    }

    fn restrict(bounds: &ListBounds<B>, mut schema: Value) -> Value {
        schema["items"] = F::restrict(&bounds.item, schema["items"].take());
        bounds.length.restrict(schema)
    }
}

macro_rules! bounded_whole_numbers {
    ($($number:ty),*) => {$(
        impl Bounded<NumberBounds> for $number {
            fn check(&self, bounds: &NumberBounds, reader: &mut DocumentReader) {
                let number = i64::try_from(*self).unwrap_or(i64::MAX);
                if !bounds.contains(number, 1) {
                    reader.fault::<()>(refusal(&json!(self), bounds));
                }
            }

            fn read_within(
                value: &Value,
                bounds: &NumberBounds,
                reader: &mut DocumentReader,
            ) -> Option<Self> {
                let number = value.as_u64();
                let signed = number.and_then(|number| i64::try_from(number).ok());
                if !signed.is_some_and(|number| bounds.contains(number, 1)) {
                    reader.fault::<()>(refusal(value, bounds));
                }
                number?.try_into().ok()
            }

            fn restrict(bounds: &NumberBounds, schema: Value) -> Value {
                bounds.restrict(schema)
            }
        }
    )*};
}

bounded_whole_numbers!(u8, u16, u32, u64);

fn refusal(value: &Value, bounds: &NumberBounds) -> String {
    let NumberBounds { least, most, unit } = bounds;
    format!("is {}: give a whole number from {} to {most}{unit}", quoted(value), least.0)
}

/// A value in place of a number: digits in quotes are called a text.
pub(super) fn quoted(value: &Value) -> String {
    let text = if value.is_string() { "the text " } else { "" };
    format!("{text}{}", super::brief(value))
}
