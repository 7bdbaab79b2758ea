//! Faults: the errors in a caller's input, all reported together.

use serde::{Deserialize, Serialize};

/// One fault in a caller's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The RFC 6901 JSON Pointer of the wrong value, from the start of the document; `""` is the
    /// whole document.
    pub pointer: String,
    /// A sentence that names the value and says what to do.
    pub detail: String,
}

impl Fault {
    /// A fault at a JSON Pointer.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The same fault in a document that contains this one at `prefix` (a JSON Pointer such as
    /// `/input`).
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// One step of a JSON Pointer, with its slash: `~` and `/` are escaped as RFC 6901 says.
pub fn step(token: &str) -> String {
    format!("/{}", token.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_tilde_and_slash() {
        assert_eq!(step("a/b~c"), "/a~1b~0c");
    }

    #[test]
    fn a_fault_moves_under_a_prefix() {
        assert_eq!(Fault::new("/value", "x").under("/input").pointer, "/input/value");
    }
}
