//! What an input's fields are held against, with every fault kept, so that one answer lists all there is to mend.

use std::fmt::Display;

use crate::fault::Fault;

/// The longest description of a style, in characters.
const MAX_STYLE: usize = 500;

/// Faults as they are found.
#[derive(Debug, Default)]
pub struct Checks(Vec<Fault>);

impl Checks {
    /// One more.
    pub fn fault(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Fault::new(pointer, detail));
    }

    /// One that was found elsewhere.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// A text that must say something, in at most `most` characters.
    pub fn text(&mut self, pointer: impl Into<String>, text: &str, most: usize) {
        let pointer = pointer.into();
        if text.trim().is_empty() {
            self.fault(pointer.as_str(), "is empty: write something");
        }
        self.short(pointer, text, most);
    }

    /// A text that must be such as can be said, in at most `most` characters.
    pub fn spoken(&mut self, pointer: impl Into<String>, text: &str, most: usize) {
        let pointer = pointer.into();
        self.text(pointer.as_str(), text, most);
        if let Some(fault) = unspeakable(text) {
            self.fault(pointer, fault);
        }
    }

    /// A text of at most `most` characters, that may be empty.
    pub fn short(&mut self, pointer: impl Into<String>, text: &str, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.fault(pointer, format!("has {length} characters: at most {most} are taken"));
        }
    }

    /// How something is to sound or look, in words.
    pub fn style(&mut self, style: &str) {
        self.short("/style", style, MAX_STYLE);
    }

    /// A language's tag, as far as it must be one: it goes into a prompt.
    pub fn language(&mut self, tag: &str) {
        let plain = tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if tag.is_empty() || tag.len() > 35 || !plain {
            self.fault("/language", "is not a language's tag: give one such as `en` or `pt-BR`");
        }
    }

    /// A number within bounds, both included.
    pub fn within<N: PartialOrd + Display>(&mut self, pointer: &str, number: N, least: N, most: N) {
        if number < least || number > most {
            self.fault(pointer, format!("{number} is out of range: {least} to {most}"));
        }
    }

    /// A provider's name, as operators write it in the configuration.
    pub fn provider(&mut self, name: Option<&String>) {
        let plain =
            |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if name.is_some_and(|name| name.is_empty() || name.len() > 64 || !plain(name)) {
            self.fault(
                "/provider",
                "is not a provider's name: letters, digits, `-` and `_`, such as `openai` or `offline`",
            );
        }
    }

    /// The value if nothing was found, else all that was.
    pub fn of<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// What was found.
    pub fn into_faults(self) -> Vec<Fault> {
        self.0
    }
}

/// Why no voice can say a text that has something in it.
pub(super) fn unspeakable(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("holds a NUL character: take it out");
    }
    let wordless = !text.trim().is_empty() && !text.chars().any(char::is_alphanumeric);
    wordless.then_some("has no letter and no digit, so there is nothing to say: write words")
}
