//! What is cached, by how long it may be believed.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A kind of value. Each has its own room in L1, its own counts, and can be cleared by itself.
///
/// There is none for sessions: nobody logs in here, so nothing would use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Answers of providers in text.
    Text,
    /// What a path or URL held when it was last looked at, and by which validator to see whether it still does.
    Media,
    /// What a file is: its streams, sizes and lengths.
    Metadata,
    /// Answers of outside services that may be taken again without asking.
    Outside,
}

impl Namespace {
    /// Every namespace.
    pub const ALL: [Self; 4] = [Self::Text, Self::Media, Self::Metadata, Self::Outside];

    /// Its name in metrics, queries and tags.
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

    /// How long its values live, unless a value asks for less.
    pub fn life(self) -> Life {
        match self {
            Self::Text => Life::fresh(DAY),
            Self::Media => Life::fresh(7 * DAY),
            Self::Metadata => Life::fresh(HOUR),
            // What may be stale is decided answer by answer; this is the most that one may ask for.
            Self::Outside => Life { fresh: 5 * MINUTE, stale: HOUR },
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// How long a value is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// So long it is served as it is.
    pub fresh: Duration,
    /// So long after that it may still be served, to readers that refresh it.
    pub stale: Duration,
}

impl Life {
    /// Believed for `fresh` and then gone.
    pub const fn fresh(fresh: Duration) -> Self {
        Self { fresh, stale: Duration::ZERO }
    }

    /// No longer than `most`.
    pub fn within(self, most: Self) -> Self {
        Self { fresh: self.fresh.min(most.fresh), stale: self.stale.min(most.stale) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_is_found_by_its_name_and_has_a_place_of_its_own() {
        for (index, namespace) in Namespace::ALL.into_iter().enumerate() {
            assert_eq!(
                (Namespace::parse(namespace.as_str()), namespace.index()),
                (Some(namespace), index)
            );
        }
        assert_eq!(Namespace::parse("sessions"), None);
    }
}
