//! The queues that divide work by the resource it needs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the work pools: a RabbitMQ queue and the workers that consume it. Work of one queue never
/// waits behind another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// Work that fills a core: segments and sound.
    Render,
    /// Work that waits for a provider.
    Generate,
    /// Work of milliseconds: planning, probing, assembling.
    Light,
}

impl Queue {
    pub const ALL: [Self; 3] = [Self::Render, Self::Generate, Self::Light];

    /// The stored spelling; part of the names in RabbitMQ.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Generate => "generate",
            Self::Light => "light",
        }
    }

    /// Reads the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == text)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
