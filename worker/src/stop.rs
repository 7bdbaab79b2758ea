//! Why an attempt is to stop, said once: the first reason stays.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Someone cancelled the job.
    Cancelled,
    /// The worker is leaving.
    Released,
    /// The lease is gone: another may run it already.
    Abandoned,
    /// The attempt ran past its deadline.
    TimedOut,
}

/// Asks an attempt to stop.
#[derive(Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: OnceLock<Reason>,
}

impl Stop {
    /// Asks. A later reason changes nothing.
    pub fn ask(&self, reason: Reason) {
        if self.reason.set(reason).is_ok() {
            self.token.cancel();
        }
    }

    /// Waits until someone asks.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// Why, if someone asked.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// For parts that take a token.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let stop = Stop::default();
        assert_eq!(stop.reason(), None);
        stop.ask(Reason::Abandoned);
        stop.ask(Reason::Cancelled);
        stop.asked().await;
        assert_eq!(stop.reason(), Some(Reason::Abandoned));
    }
}
