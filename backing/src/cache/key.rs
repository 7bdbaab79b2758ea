//! Cache keys: a namespace, a hash, and the tags by which the value can be cleared.

use common::id::Digest;

use super::namespace::Namespace;

/// Groups of tags. A pattern may stand for all tags of one.
const GROUPS: [&str; 3] = ["kind", "provider", HOST];
const NAMESPACE: &str = "namespace";
const HOST: &str = "host";
/// Most labels of a pattern's domain, so that a host name decides a bounded number of tags.
const MAX_LABELS: usize = 4;

/// A name under which many values are cleared together: `namespace:text`, `provider:openai`,
/// `kind:script`, `host:example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// A tag as an operator writes it. The view cache hashes it before it becomes part of a key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The tag that an operator names, exactly or by a pattern: `*` for every value, `provider:*`
    /// for every tag of a group, `host:*.example.com` for the hosts of a domain. `None` for a tag
    /// or a pattern that no value can have.
    pub fn parse(text: &str) -> Option<Self> {
        let is_known = match text.split_once('*') {
            Some(("", "")) => true,
            None => text.split_once(':').is_some_and(|(group, name)| {
                (GROUPS.contains(&group) || group == NAMESPACE) && !name.is_empty()
            }),
            Some((group, "")) => {
                group.strip_suffix(':').is_some_and(|group| GROUPS.contains(&group))
            }
            Some(("host:", domain)) => domain.strip_prefix('.').is_some_and(is_pattern_domain),
            Some(_) => false,
        };
        is_known.then(|| Self::new(text))
    }

    /// The tag of every value.
    fn any() -> Self {
        Self::new("*")
    }

    /// The patterns that this tag of `group` matches, but for that of every value.
    fn patterns(group: &str, name: &str) -> Vec<Self> {
        let domains = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
        let domains = domains.filter(|domain| group == HOST && is_pattern_domain(domain));
        let domains = domains.map(|domain| Self::new(format!("{group}:*.{domain}")));
        std::iter::once(Self::new(format!("{group}:*"))).chain(domains).collect()
    }

    /// The tag of all values of a namespace.
    pub fn of(namespace: Namespace) -> Self {
        Self(format!("{NAMESPACE}:{}", namespace.as_str()))
    }

    /// The tag as an operator writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a pattern may name this domain.
fn is_pattern_domain(domain: &str) -> bool {
    !domain.is_empty() && !domain.contains('*') && domain.split('.').count() <= MAX_LABELS
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
            tags: vec![Tag::any(), Tag::of(namespace)],
        }
    }

    /// Adds the tag `group:name`, and the patterns that match it: a pattern is cleared by one
    /// write, as a tag is, since it is one of the value's tags.
    pub fn tagged(mut self, group: &str, name: &str) -> Self {
        let tag = Tag::new(format!("{group}:{name}"));
        for tag in std::iter::once(tag).chain(Tag::patterns(group, name)) {
            if !self.tags.contains(&tag) {
                self.tags.push(tag);
            }
        }
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

    #[test]
    fn a_value_has_the_patterns_that_match_its_tags_and_each_is_read_back() {
        let key = CacheKey::new(Namespace::Media, [])
            .tagged("kind", "probe")
            .tagged("host", "a.b.c.d.example.com");
        let tags: Vec<&str> = key.tags.iter().map(Tag::as_str).collect();
        let expected = [
            "*",
            "namespace:media",
            "kind:probe",
            "kind:*",
            "host:a.b.c.d.example.com",
            "host:*",
            "host:*.c.d.example.com",
            "host:*.d.example.com",
            "host:*.example.com",
            "host:*.com",
        ];
        assert_eq!(tags, expected);
        for tag in &key.tags {
            assert_eq!(Tag::parse(tag.as_str()).as_ref(), Some(tag));
        }
    }

    #[test]
    fn a_tag_or_pattern_that_no_value_can_have_is_refused() {
        let patterns = [
            "prov*",
            "*:openai",
            "**",
            "sort:*",
            "host:*example.com",
            "host:*.*.com",
            "provder:openai",
            "openai",
            "provider:",
        ];
        for pattern in patterns {
            assert_eq!(Tag::parse(pattern), None, "{pattern}");
        }
    }
}
