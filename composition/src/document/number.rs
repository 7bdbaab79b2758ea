//! Numbers as the caller wrote them.

use super::{Bounded, Definitions, DocumentReader, Form, NumberBounds, brief};
use crate::plan::{Micro, Ratio};
use common::document::crop;
use serde_json::{Value, json};

/// Decimal number, exact to nine places and rounded half up beyond. A number in quotes is accepted
/// too, because merge fields leave strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(pub Ratio);

impl Decimal {
    /// In millionths.
    pub fn micro(self) -> Micro {
        self.0.to_micro()
    }
}

impl Form for Decimal {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            other => return reader.fault(format!("is {}: give a number", brief(other))),
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

/// Decimal places that are kept.
const PLACES: i64 = 9;

/// Reads a number as JSON writes it; none if it is not one or not below a thousand million.
fn parse_decimal(text: &str) -> Option<Ratio> {
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

/// Whole number from 0. A number in quotes is accepted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub u32);

impl Form for Count {
    fn read(value: &Value, reader: &mut DocumentReader) -> Option<Self> {
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

impl Bounded<NumberBounds> for Decimal {
    fn check(&self, bounds: &NumberBounds, reader: &mut DocumentReader) {
        bounds.check_fraction(self.0.num(), self.0.den(), reader);
    }

    fn restrict(bounds: &NumberBounds, schema: Value) -> Value {
        bounds.restrict(schema)
    }
}

impl Bounded<NumberBounds> for Count {
    fn check(&self, bounds: &NumberBounds, reader: &mut DocumentReader) {
        bounds.check_fraction(i64::from(self.0), 1, reader);
    }

    fn restrict(bounds: &NumberBounds, schema: Value) -> Value {
        bounds.restrict(schema)
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
