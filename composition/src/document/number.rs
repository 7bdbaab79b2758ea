//! Numbers as the caller spelled them, and the bounds they must keep.

use super::reader::{Form, Reader, crop, kind_of};
use super::{Definitions, Moving};
use crate::plan::{Micro, Ratio};
use serde_json::{Value, json};

/// A decimal number, exact to nine places (what is beyond is rounded half up). A string that spells one is taken too, because
/// merge fields leave strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(pub Ratio);

impl Decimal {
    /// In millionths.
    pub fn micro(self) -> Micro {
        self.0.to_micro()
    }
}

impl Form for Decimal {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            other => return reader.fault(format!("is {}: give a number", kind_of(other))),
        };
        match parse_decimal(&text) {
            Some(number) => Some(Decimal(number)),
            None => reader.fault(format!(
                "`{}` is not a number below a thousand million: give one such as 1.5",
                crop(&text)
            )),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "number" })
    }
}

/// How many decimal places are kept.
const PLACES: i64 = 9;

/// The number that a JSON spelling stands for; none if it is no number or at least a thousand million.
pub(crate) fn parse_decimal(text: &str) -> Option<Ratio> {
    let (sign, magnitude) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if whole.is_empty() || digits.len() > 400 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?;
    // The value is 0.d1d2d3… times ten to the `point`.
    let skipped = digits.iter().take_while(|digit| **digit == b'0').count();
    let point = (whole.len() as i64).checked_add(exponent)?.checked_sub(skipped as i64)?;
    let significant = digits.get(skipped..).unwrap_or_default();
    if significant.is_empty() || point < -PLACES {
        return Some(Ratio::ZERO);
    }
    if point > 9 {
        return None;
    }
    let kept = (point + PLACES) as usize;
    let digit = |index: usize| i64::from(significant.get(index).map_or(0, |digit| digit - b'0'));
    let units = (0..kept).fold(0_i64, |sum, index| sum * 10 + digit(index));
    let rounded = units + i64::from(digit(kept) >= 5);
    Ratio::new(sign * rounded, 10_i64.pow(PLACES as u32)).ok()
}

/// A whole number from nought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub u32);

impl Form for Count {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let number = Decimal::read(value, reader)?.0;
        match (number.den(), u32::try_from(number.num())) {
            (1, Ok(count)) => Some(Count(count)),
            _ => reader.fault(format!("is {number}: give a whole number")),
        }
    }

    fn schema(_: &mut Definitions) -> Value {
        json!({ "type": "integer" })
    }
}

/// The least and the most a number or a list's length may be. Fractions are written (num, den).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    least: (i64, i64),
    most: (i64, i64),
    unit: &'static str,
}

impl Bounds {
    /// Bounds in whole numbers; `unit` is what a sentence calls them, with a leading space.
    pub const fn new(least: i64, most: i64, unit: &'static str) -> Bounds {
        Bounds { least: (least, 1), most: (most, 1), unit }
    }

    /// Bounds whose least is one part of `den`.
    pub const fn from_part(den: i64, most: i64, unit: &'static str) -> Bounds {
        Bounds { least: (1, den), most: (most, 1), unit }
    }

    fn least(&self) -> Ratio {
        Ratio::new(self.least.0, self.least.1).unwrap_or(Ratio::ZERO)
    }

    /// The most.
    pub fn most(&self) -> Ratio {
        Ratio::new(self.most.0, self.most.1).unwrap_or(Ratio::ZERO)
    }

    fn check(&self, number: Ratio, reader: &mut Reader) {
        let (least, most) = (self.least(), self.most());
        if number < least || most < number {
            let number = number.to_f64();
            reader.fault::<()>(format!(
                "is {number}: keep it within {} and {most}{}",
                least.to_f64(),
                self.unit
            ));
        }
    }

    fn check_length(&self, length: usize, reader: &mut Reader) {
        let length = Ratio::whole(i64::try_from(length).unwrap_or(i64::MAX));
        if self.most() < length {
            reader.fault::<()>(format!(
                "has {length}{}: at most {} are taken",
                self.unit,
                self.most()
            ));
        }
        if length < self.least() {
            reader.fault::<()>(format!(
                "has {length}{}: give at least {}",
                self.unit,
                self.least()
            ));
        }
    }

    /// The schema of a value that keeps them.
    pub fn restrict(&self, mut schema: Value) -> Value {
        let (least, most) = if schema["type"] == "array" {
            ("minItems", "maxItems")
        } else {
            ("minimum", "maximum")
        };
        if schema.get("$ref").is_none() && schema.get("oneOf").is_none() {
            schema[least] = spelled(self.least());
            schema[most] = spelled(self.most());
        }
        schema
    }
}

fn spelled(number: Ratio) -> Value {
    if number.den() == 1 { json!(number.num()) } else { json!(number.to_f64()) }
}

/// What can be held against bounds.
pub(crate) trait Bounded {
    /// Says what is out of bounds.
    fn check(&self, bounds: &Bounds, reader: &mut Reader);
}

impl Bounded for Decimal {
    fn check(&self, bounds: &Bounds, reader: &mut Reader) {
        bounds.check(self.0, reader);
    }
}

impl Bounded for Count {
    fn check(&self, bounds: &Bounds, reader: &mut Reader) {
        bounds.check(Ratio::whole(i64::from(self.0)), reader);
    }
}

impl Bounded for Moving {
    fn check(&self, bounds: &Bounds, reader: &mut Reader) {
        self.each_value(reader, |value, reader| bounds.check(value.0, reader));
    }
}

impl<B: Bounded> Bounded for Option<B> {
    fn check(&self, bounds: &Bounds, reader: &mut Reader) {
        if let Some(inner) = self {
            inner.check(bounds, reader);
        }
    }
}

impl<F: Form> Bounded for Vec<F> {
    fn check(&self, bounds: &Bounds, reader: &mut Reader) {
        bounds.check_length(self.len(), reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        let cases = [
            ("0.1", Some((1, 10))),
            ("-2.50", Some((-5, 2))),
            ("1e3", Some((1000, 1))),
            ("1.25E-2", Some((1, 80))),
            ("0.30000000000000004", Some((3, 10))),
            ("0.0000000005", Some((1, 1_000_000_000))),
            ("0.00000000049", Some((0, 1))),
            ("1e-400", Some((0, 1))),
            ("0e999999999999", Some((0, 1))),
            ("999999999.999999999", Some((999_999_999_999_999_999, 1_000_000_000))),
            ("1e9", None),
            ("999999999", Some((999_999_999, 1))),
            ("1e10", None),
            ("1e99999999999999999999", None),
            ("", None),
            ("-", None),
            ("0x10", None),
            (".5", None),
            ("NaN", None),
        ];
        for (text, want) in cases {
            let want = want.map(|(num, den)| Ratio::new(num, den).expect("a fraction"));
            assert_eq!(parse_decimal(text), want, "{text}");
        }
    }
}
