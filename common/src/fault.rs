//! What is wrong with a caller's input, said once per fault and all at once.

use serde::{Deserialize, Serialize};

/// One fault in a caller's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// RFC 6901 JSON Pointer to the value at fault, from the start of the document; `""` is the whole of it.
    pub pointer: String,
    /// A sentence that names the value and what to do about it.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The same fault seen from a document that holds this one at `prefix` (a JSON Pointer such as `/input`).
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }
}

/// One step of a JSON Pointer: `~` and `/` escaped as RFC 6901 says, with the leading slash.
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
