//! Namespaces of the cache, and the lifetimes of their values.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A kind of value, with its own part of L1, its own counts, and its own tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Text replies of providers.
    Text,
    /// Content of a path or URL when it was last read, with the validator that tells whether it
    /// changed.
    Media,
    /// Facts about a file: its streams, sizes and lengths.
    Metadata,
    /// Replies of outside services that may be reused without asking again.
    Outside,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 4] = [Self::Text, Self::Media, Self::Metadata, Self::Outside];

    /// The name in metrics, queries and tags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Media => "media",
            Self::Metadata => "metadata",
            Self::Outside => "outside",
        }
    }

    /// The namespace of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|namespace| namespace.as_str() == name)
    }

    /// The longest lifetime of its values. A value may have a shorter one.
    pub fn lifetime(self) -> Lifetime {
        match self {
            Self::Text => Lifetime::fresh(DAY),
            Self::Media => Lifetime::fresh(7 * DAY),
            Self::Metadata => Lifetime::fresh(HOUR),
            // Each reply states its own lifetime; this is the longest that counts.
            Self::Outside => Lifetime { fresh: 5 * MINUTE, stale: HOUR },
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// How long a value is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Time in which the value is served as it is.
    pub fresh: Duration,
    /// Time after that in which it may be served while it is refreshed.
    pub stale: Duration,
}

impl Lifetime {
    /// A lifetime without a stale part.
    pub const fn fresh(fresh: Duration) -> Self {
        Self { fresh, stale: Duration::ZERO }
    }

    /// This lifetime, at most `most`.
    pub fn within(self, most: Self) -> Self {
        Self { fresh: self.fresh.min(most.fresh), stale: self.stale.min(most.stale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_found_by_its_name_and_has_its_own_index() {
        for (index, namespace) in Namespace::ALL.into_iter().enumerate() {
            assert_eq!(
                (Namespace::parse(namespace.as_str()), namespace.index()),
                (Some(namespace), index)
            );
        }
        assert_eq!(Namespace::parse("sessions"), None);
    }
}
