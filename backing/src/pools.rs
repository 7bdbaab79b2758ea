//! How much of the connections to outside services is in use, told by each adapter that keeps some.

/// Connections to one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Which, in the operator's words: `postgresql`, `postgresql_beats`, `rabbitmq`, `redis`.
    pub pool: &'static str,
    /// Connections that somebody has; for `redis`, questions under way on its one connection.
    pub in_use: u64,
    /// Connections that nobody has.
    pub idle: u64,
    /// Calls that wait for one.
    pub waiting: u64,
    /// Connections at most; none where calls share one.
    pub limit: Option<u64>,
}

/// Keeps connections.
pub trait Pooled: Send + Sync {
    /// How they are used now.
    fn pools(&self) -> Vec<PoolUse>;
}
