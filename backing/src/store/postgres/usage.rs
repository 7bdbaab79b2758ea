//! Reports how the connections to PostgreSQL are used.

use super::PgStore;
use crate::pools::{PoolUse, Pooled};

impl Pooled for PgStore {
    fn pools(&self) -> Vec<PoolUse> {
        vec![self.work.usage("postgresql"), self.heartbeats.usage("postgresql_heartbeats")]
    }
}
