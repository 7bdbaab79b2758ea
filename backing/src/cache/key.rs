//! Cache keys: a namespace, a hash, and the tags by which the value can be cleared.

use common::id::Digest;

use super::namespace::Namespace;

/// A name under which many values are cleared together: `namespace:text`, `provider:openai`,
/// `kind:script`, `host:example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// A tag as an operator writes it. The view cache hashes it before it becomes part of a key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The tag of all values of a namespace.
    pub fn of(namespace: Namespace) -> Self {
        Self(format!("namespace:{}", namespace.as_str()))
    }

    /// The tag as an operator writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheKey {
    pub(super) namespace: Namespace,
    pub(super) hash: Digest,
    pub(super) tags: Vec<Tag>,
}

impl CacheKey {
    /// The key of the value that these parts decide. They are hashed with their lengths, so
    /// different lists of parts have different keys.
    pub fn new<'a>(namespace: Namespace, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 cache key");
        hasher.update(namespace.as_str().as_bytes());
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self {
            namespace,
            hash: Digest(*hasher.finalize().as_bytes()),
            tags: vec![Tag::of(namespace)],
        }
    }

    /// Adds the tag `group:name`.
    pub fn tagged(mut self, group: &str, name: &str) -> Self {
        self.tags.push(Tag::new(format!("{group}:{name}")));
        self
    }

    /// The key of the value on the view cache.
    pub(super) fn shared_key(&self) -> String {
        format!("cache:{}", self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_namespace_and_by_parts() {
        let key = |namespace, parts: &[&str]| {
            CacheKey::new(namespace, parts.iter().map(|part| part.as_bytes())).hash
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
