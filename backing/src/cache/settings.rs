//! Settings of a cache: by namespace, whether values are kept, for how long, and how many.

use std::time::Duration;

use serde::Deserialize;

use super::namespace::{Lifetime, Namespace};

/// Settings of every namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    pub text: NamespaceSettings,
    pub media: NamespaceSettings,
    pub metadata: NamespaceSettings,
    pub outside: NamespaceSettings,
}

impl CacheSettings {
    /// Returns the fault of a setting that would have no effect.
    pub fn check(&self) -> Result<(), String> {
        let others =
            Namespace::ALL.into_iter().filter(|namespace| *namespace != Namespace::Outside);
        let mut set = others.filter(|namespace| self.of(*namespace).stale_seconds.is_some());
        match set.next().map(Namespace::as_str) {
            Some(name) => Err(format!(
                "cache.{name}.stale_seconds has no effect: remove it, as only values of `outside` \
                 are served while they are refreshed"
            )),
            None => Ok(()),
        }
    }

    /// The settings of a namespace.
    pub fn of(&self, namespace: Namespace) -> &NamespaceSettings {
        match namespace {
            Namespace::Text => &self.text,
            Namespace::Media => &self.media,
            Namespace::Metadata => &self.metadata,
            Namespace::Outside => &self.outside,
        }
    }
}

/// Settings of one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamespaceSettings {
    /// Keeps values. Otherwise each reader computes its own, except those that wait for one
    /// computation together.
    pub enabled: bool,
    /// Seconds in which a value is served as it is; by default [`Namespace::lifetime`].
    pub fresh_seconds: Option<u64>,
    /// Seconds after that in which it may be served while it is refreshed, which only values of
    /// [`Namespace::Outside`] are; by default as there.
    pub stale_seconds: Option<u64>,
    /// The most values in L1.
    pub entries: u64,
    /// The most bytes in L1, with about half a kilobyte for each value's key and tags.
    pub bytes: u64,
}

impl Default for NamespaceSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            fresh_seconds: None,
            stale_seconds: None,
            entries: 1_000,
            bytes: 16 * 1024 * 1024,
        }
    }
}

impl NamespaceSettings {
    /// The longest lifetime of the values of `namespace`; zero if none are kept.
    pub fn lifetime(&self, namespace: Namespace) -> Lifetime {
        if !self.enabled {
            return Lifetime::fresh(Duration::ZERO);
        }
        let default = namespace.lifetime();
        Lifetime {
            fresh: self.fresh_seconds.map_or(default.fresh, Duration::from_secs),
            stale: self.stale_seconds.map_or(default.stale, Duration::from_secs),
        }
    }
}
