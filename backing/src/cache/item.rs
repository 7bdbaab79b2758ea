//! What is asked for: a namespace, a key that is a hash, and the tags by which it can be cleared.

use common::id::Digest;

use super::Namespace;

/// A name for many values, to clear them together: `namespace:text`, `provider:openai`, `kind:script`, `host:example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag of this text, as an operator writes it. It never becomes part of a key as it is: the view cache hashes what it is given.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All values of a namespace.
    pub fn of(namespace: Namespace) -> Self {
        Self(format!("namespace:{}", namespace.as_str()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One value's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub(super) namespace: Namespace,
    pub(super) key: Digest,
    pub(super) tags: Vec<Tag>,
}

impl Item {
    /// The place of what these parts decide. They are hashed with their lengths, so no two lists of parts are one key.
    pub fn new<'a>(namespace: Namespace, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 cache key");
        hasher.update(namespace.as_str().as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self {
            namespace,
            key: Digest(*hasher.finalize().as_bytes()),
            tags: vec![Tag::of(namespace)],
        }
    }

    /// Is cleared with `group:name` too.
    pub fn tagged(mut self, group: &str, name: &str) -> Self {
        self.tags.push(Tag::new(format!("{group}:{name}")));
        self
    }

    /// Its name on the view cache.
    pub(super) fn name(&self) -> String {
        format!("cache:{}", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_namespaces_and_parts_apart() {
        let key = |namespace, parts: &[&str]| {
            Item::new(namespace, parts.iter().map(|part| part.as_bytes())).key
        };
        let keys = [
            key(Namespace::Text, &["a", "b"]),
            key(Namespace::Text, &["ab"]),
            key(Namespace::Text, &["ab", ""]),
            key(Namespace::Media, &["a", "b"]),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
        assert_eq!(key(Namespace::Text, &["a", "b"]), keys[0]);
    }
}
