//! A text that must not be seen: it prints as `[secret]` wherever it is printed.

use std::fmt;

use serde::Deserialize;

/// An API key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text; only for the header that carries it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether a header can carry it: printable ASCII, and something of it.
    pub(super) fn fits_a_header(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// A text of somebody else's with this secret taken out: providers like to repeat the key they refuse.
    pub(super) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[secret]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_printed() {
        let secret = Secret::new("sk-123");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.redact("bad key sk-123!"), "bad key [secret]!");
    }
}
