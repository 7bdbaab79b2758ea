//! A text that must not be shown. It prints as `[secret]`.

use std::fmt;

use serde::Deserialize;

/// An API key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for the header that carries it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether a header can carry the secret: printable ASCII, and not empty.
    pub(super) fn fits_a_header(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// Replaces this secret in a foreign text.
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
