//! The trace that a call belongs to, as W3C Trace Context writes it: `00-{trace}-{parent}-{flags}`, all in lower hex.
//!
//! It is carried and never decided on: a caller's header goes with the job to each of its task messages, and from there into what the worker logs.

use std::fmt;

/// A `traceparent` that was read and found sane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent(String);

/// What version 00 writes, and later ones begin with.
const LENGTH: usize = 55;

impl TraceParent {
    /// Reads a header; `None` if it is not one, for then the specification has us go on as if it had not been sent.
    pub fn read(text: &str) -> Option<Self> {
        let known = text.get(..LENGTH)?;
        let rest = &text[LENGTH..];
        let parts: Vec<&str> = known.split('-').collect();
        let [version, trace, parent, flags] = parts[..] else { return None };
        let hex = |part: &str, length| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let said = |part: &str| part.bytes().any(|byte| byte != b'0');
        let is_sane = hex(version, 2)
            && version != "ff"
            && hex(trace, 32)
            && said(trace)
            && hex(parent, 16)
            && said(parent);
        // A later version may say more behind another dash; this one may not.
        let ends = rest.is_empty() || (version != "00" && rest.starts_with('-'));
        (is_sane && hex(flags, 2) && ends).then(|| Self(format!("00-{trace}-{parent}-{flags}")))
    }

    /// As it is sent on.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which trace: 32 hex digits.
    pub fn trace(&self) -> &str {
        &self.0[3..35]
    }

    /// The span of the trace that asked for the work: 16 hex digits.
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

    const SANE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_sane_header_is_kept_and_taken_apart() {
        let trace = TraceParent::read(SANE).expect("sane");
        assert_eq!(trace.as_str(), SANE);
        assert_eq!(
            (trace.trace(), trace.parent()),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
        );
    }

    #[test]
    fn of_a_later_version_what_is_known_is_kept() {
        let later = format!("cc{}-what-comes-later", &SANE[2..]);
        assert_eq!(TraceParent::read(&later).expect("sane").as_str(), SANE);
    }

    #[test]
    fn anything_else_is_none() {
        let bad = [
            "".to_owned(),
            SANE.to_uppercase(),
            SANE[..54].to_owned(),
            format!("{SANE}-more"),
            format!("{SANE}0"),
            format!("ff{}", &SANE[2..]),
            format!("cc{}.", &SANE[2..]),
            SANE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            SANE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            SANE.replace('-', "_"),
            "é".repeat(40),
        ];
        for header in bad {
            assert_eq!(TraceParent::read(&header), None, "{header}");
        }
    }
}
