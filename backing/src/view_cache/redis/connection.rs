//! The connection to Redis: one multiplexed connection, short timeouts, and a breaker.
//!
//! redis-rs's own connection manager keeps a silent connection (half-open TCP) for as long as the
//! kernel does. Here a query without an answer drops the connection, and the next query that the
//! breaker admits opens another.

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

use super::breaker::RedisBreaker;
use crate::pools::UnderWay;

/// The name of this part in a [`PortError`].
pub(super) const PART: &str = "Redis";

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub(super) struct RedisConnection {
    client: Client,
    answer_within: Duration,
    current: Mutex<CurrentConnection>,
    breaker: RedisBreaker,
    under_way: AtomicU64,
}

#[derive(Default)]
struct CurrentConnection {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late error of an old one does not drop the new one.
    number: u64,
}

impl std::fmt::Debug for CurrentConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurrentConnection").field("number", &self.number).finish_non_exhaustive()
    }
}

impl RedisConnection {
    pub fn new(client: Client, answer_within: Duration) -> Self {
        Self {
            client,
            answer_within,
            current: Mutex::default(),
            breaker: RedisBreaker::default(),
            under_way: AtomicU64::new(0),
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Number of queries that wait for their answer.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Relaxed)
    }

    /// Runs a query, connecting first if necessary. It ends within about `answer_within`, and fails
    /// at once while the breaker is open.
    pub async fn query<T>(
        &self,
        query: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> PortResult<T> {
        self.breaker
            .admit(Instant::now())
            .map_err(|reason| PortError::unavailable(PART, reason))?;
        let _under_way = UnderWay::new(&self.under_way);
        let mut used = None;
        let running = async {
            let (connection, number) = self.connection().await?;
            used = Some(number);
            query(connection).await
        };
        let answer = timeout(self.answer_within, running).await;
        match answer {
            Ok(Ok(answer)) => {
                self.breaker.close();
                Ok(answer)
            }
            // Full, read-only, a wrong password or a wrong command: all but the last may be mended
            // by an operator, so all are transient.
            Ok(Err(error)) if is_answer(&error) => {
                self.breaker.close();
                Err(PortError::unavailable(PART, error))
            }
            Ok(Err(error)) => Err(self.drop_connection(used, error.to_string()).await),
            Err(_) => Err(self.drop_connection(used, "it does not answer".to_owned()).await),
        }
    }

    async fn connection(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        // Callers that wait for the lock have timeouts of their own.
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.answer_within))
            .set_response_timeout(Some(self.answer_within));
        let connection =
            self.client.get_multiplexed_async_connection_with_config(&timeouts).await?;
        current.connection = Some(connection.clone());
        current.number += 1;
        Ok((connection, current.number))
    }

    /// Drops the connection that a query used, opens the breaker, and returns the error.
    async fn drop_connection(&self, used: Option<u64>, reason: String) -> PortError {
        let mut current = self.current.lock().await;
        if used.is_some_and(|number| number == current.number) {
            current.connection = None;
        }
        self.breaker.open(Instant::now(), reason.clone());
        PortError::unavailable(PART, reason)
    }
}

/// Returns whether Redis answered with this error, and so is not away.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(kind) if !is_starting(kind))
}

fn is_starting(kind: ServerErrorKind) -> bool {
    matches!(
        kind,
        ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown
    )
}
