//! How the connections to PostgreSQL are used.

use std::sync::atomic::Ordering::Relaxed;

use sqlx::PgPool;

use super::PgStore;
use crate::pools::{PoolUse, Pooled};

impl Pooled for PgStore {
    /// sqlx does not say who waits: it is the calls under way that have no connection. Nearly all are for the work, so they are counted there.
    fn pools(&self) -> Vec<PoolUse> {
        let mut pools =
            [("postgresql", &self.work), ("postgresql_beats", &self.beats)].map(|(name, pool)| of(name, pool));
        let in_use: u64 = pools.iter().map(|pool| pool.in_use).sum();
        pools[0].waiting = self.under_way.load(Relaxed).saturating_sub(in_use);
        pools.to_vec()
    }
}

fn of(name: &'static str, pool: &PgPool) -> PoolUse {
    let idle = pool.num_idle() as u64;
    PoolUse {
        pool: name,
        in_use: u64::from(pool.size()).saturating_sub(idle),
        idle,
        waiting: 0,
        limit: Some(u64::from(pool.options().get_max_connections())),
    }
}
