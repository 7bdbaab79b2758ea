//! The part of the store that sweepers use.

use async_trait::async_trait;
use common::{
    port::PortResult,
    store::{Retention, SweepPolicy, Swept, Upkeep},
};

use super::{
    SqliteStore, cascade::commit, file, retain::retain, sweep::sweep, transaction::WriteTransaction,
};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn sweep(&self, policy: SweepPolicy) -> PortResult<Swept> {
        if !self.suspension.lock().is_awake(self.now()) {
            return Ok(Swept::default());
        }
        let mut writer = self.writer.lock().await;
        sweep(&mut writer, policy, self.now()).await
    }

    async fn retain(&self, retention: Retention) -> PortResult<u64> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let removed = retain(&mut tx, retention).await?;
        commit(tx).await?;
        Ok(removed)
    }

    async fn check(&self) -> PortResult<()> {
        let mut writer = self.writer.lock().await;
        file::check(&mut writer).await
    }
}
