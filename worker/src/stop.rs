//! The request to stop an attempt, with its reason. The first reason stays.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// The reason why an attempt must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Cancelled,
    /// The worker is stopping.
    Released,
    /// The lease is lost, and another worker may run the task already.
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
    /// Asks the attempt to stop. A later reason changes nothing.
    pub fn ask(&self, reason: Reason) {
        if self.reason.set(reason).is_ok() {
            self.token.cancel();
        }
    }

    /// Waits until the attempt is asked to stop.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// Returns the reason, if the attempt was asked to stop.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Returns the token that is cancelled when the attempt is asked to stop.
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
