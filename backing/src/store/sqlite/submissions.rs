//! The commands of clients, each in one write.

use async_trait::async_trait;
use common::{
    id::TenantId,
    port::PortResult,
    store::{Accepted, Changes, Credit, Submissions, Target},
    submission::Submission,
};

use super::{
    SqliteStore, accept::accept, cancel::cancel, cascade::commit, retry::retry,
    transaction::WriteTransaction,
};

#[async_trait]
impl Submissions for SqliteStore {
    async fn accept(
        &self,
        submissions: Vec<Submission>,
        credit: &[Credit],
    ) -> PortResult<Accepted> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let (answers, messages) = accept(&mut tx, submissions, credit).await?;
        Ok(Accepted { answers, messages, changes: commit(tx).await? })
    }

    async fn cancel(&self, tenant: &TenantId, target: Target) -> PortResult<Option<Changes>> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let found = cancel(&mut tx, tenant, target).await?;
        let changes = commit(tx).await?;
        Ok(found.then_some(changes))
    }

    async fn retry(&self, tenant: &TenantId, target: Target) -> PortResult<Option<(u32, Changes)>> {
        let mut writer = self.writer.lock().await;
        let mut tx = WriteTransaction::begin(&mut writer, self.now()).await?;
        let jobs = retry(&mut tx, tenant, target).await?;
        let changes = commit(tx).await?;
        Ok(jobs.map(|jobs| (jobs, changes)))
    }
}
