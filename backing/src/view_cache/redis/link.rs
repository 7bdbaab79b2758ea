//! The way to Redis: one multiplexed connection, short patience, and a breaker.
//!
//! redis-rs's own connection manager keeps a connection that has fallen silent (half-open TCP) for as long as the kernel does. Here a
//! question without an answer costs the connection, and the next one that the breaker lets through builds another.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use common::port::{PortError, PortResult};
use redis::{
    AsyncConnectionConfig, Client, RedisError, RedisResult, ServerErrorKind,
    aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::timeout};

use super::{PART, breaker::Breaker};
use crate::pools::UnderWay;

/// A connection that is made when it is needed.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    answer_within: Duration,
    current: Mutex<Current>,
    breaker: Breaker,
    under_way: AtomicU64,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late fault of an old one does not cost the new one.
    number: u64,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Link {
    pub fn new(client: Client, answer_within: Duration) -> Self {
        Self {
            client,
            answer_within,
            current: Mutex::default(),
            breaker: Breaker::default(),
            under_way: AtomicU64::new(0),
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Questions that wait for their answer.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Relaxed)
    }

    /// Asks, connecting first if need be. Answers, or fails, within about `answer_within`; at once while the breaker is open.
    pub async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> PortResult<T> {
        self.breaker.admit(Instant::now()).map_err(|why| PortError::unavailable(PART, why))?;
        let _under_way = UnderWay::new(&self.under_way);
        let mut used = None;
        let asking = async {
            let (connection, number) = self.connection().await?;
            used = Some(number);
            question(connection).await
        };
        let answer = timeout(self.answer_within, asking).await;
        match answer {
            Ok(Ok(answer)) => {
                self.breaker.well();
                Ok(answer)
            }
            Ok(Err(error)) if answered(&error) => {
                self.breaker.well();
                Err(refusal(&error))
            }
            Ok(Err(error)) => Err(self.give_up(used, error.to_string()).await),
            Err(_) => Err(self.give_up(used, "it does not answer".to_owned()).await),
        }
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        // Whoever waits for the lock meanwhile has a clock of its own running.
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_within))
            .set_response_timeout(Some(self.answer_within));
        let connection =
            self.client.get_multiplexed_async_connection_with_config(&patience).await?;
        current.connection = Some(connection.clone());
        current.number += 1;
        Ok((connection, current.number))
    }

    async fn give_up(&self, used: Option<u64>, why: String) -> PortError {
        let mut current = self.current.lock().await;
        if used.is_some_and(|number| number == current.number) {
            current.connection = None;
        }
        self.breaker.fault(Instant::now(), why.clone());
        PortError::unavailable(PART, why)
    }
}

/// Returns whether this is Redis's own answer, and so no reason to think that it is away.
fn answered(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(kind) if !is_starting(kind))
}

fn is_starting(kind: ServerErrorKind) -> bool {
    matches!(
        kind,
        ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown
    )
}

/// Full, read-only, wrong password or a wrong command: all but the last are an operator's to mend, and may be tomorrow.
fn refusal(error: &RedisError) -> PortError {
    PortError::unavailable(PART, error)
}
