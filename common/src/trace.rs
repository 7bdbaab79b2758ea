//! W3C Trace Context: the trace that a call belongs to, `00-{trace}-{parent}-{flags}` in lower-case
//! hex.
//!
//! No decision depends on it. The caller's header goes with the job to each of its task messages,
//! and from there into the worker's log.

use std::fmt;

/// A valid `traceparent` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

/// The length of a header of version 00. Later versions begin with the same fields.
const LENGTH: usize = 55;

impl TraceParent {
    /// Reads a header. `None` if it is invalid: the specification says to go on as if it had not
    /// been sent.
    pub fn read(text: &str) -> Option<Self> {
        let fields = text.get(..LENGTH)?;
        let rest = &text[LENGTH..];
        let parts: Vec<&str> = fields.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else { return None };
        let hex = |part: &str, length| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
        let is_valid = hex(version, 2)
            && version != "ff"
            && hex(trace, 32)
            && nonzero(trace)
            && hex(parent, 16)
            && nonzero(parent);
        // A later version may add fields after another dash; version 00 may not.
        let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        (is_valid && hex(flags, 2) && ends).then(|| Self(format!("00-{trace}-{parent}-{flags}")))
    }

    /// The header to send on.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id: 32 hex digits.
    pub fn trace(&self) -> &str {
        &self.0[3..35]
    }

    /// The span that requested the work: 16 hex digits.
    pub fn parent(&self) -> &str {
        &self.0[36..52]
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_header_is_split_into_its_fields() {
        let trace = TraceParent::read(VALID).expect("a valid header");
        assert_eq!(trace.as_str(), VALID);
        assert_eq!(
            (trace.trace(), trace.parent()),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
        );
    }

    #[test]
    fn the_known_fields_of_a_later_version_are_kept() {
        let later = format!("cc{}-later-fields", &VALID[2..]);
        assert_eq!(TraceParent::read(&later).expect("a valid header").as_str(), VALID);
    }

    #[test]
    fn invalid_headers_are_ignored() {
        let bad = [
            "".to_owned(),
            VALID.to_uppercase(),
            VALID[..54].to_owned(),
            format!("{VALID}-more"),
            format!("{VALID}0"),
            format!("ff{}", &VALID[2..]),
            format!("cc{}.", &VALID[2..]),
            VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            VALID.replace('-', "_"),
            "é".repeat(40),
        ];
        for header in bad {
            assert_eq!(TraceParent::read(&header), None, "{header}");
        }
    }
}
