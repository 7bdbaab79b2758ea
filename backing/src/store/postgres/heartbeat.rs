//! Heartbeats: they renew leases, report progress and register the worker.

use std::time::Duration;

use common::{
    port::PortResult,
    queue::Queue,
    store::{Heartbeat, HeartbeatReply, WorkerRegistration},
};
use uuid::Uuid;

use super::{
    PgStore,
    column::{Cells, millis},
    errors::unreadable,
};

impl PgStore {
    pub(super) async fn heartbeat_all(
        &self,
        registration: &WorkerRegistration,
        heartbeats: &[Heartbeat],
        lease: Duration,
    ) -> PortResult<Vec<HeartbeatReply>> {
        let slots = |queue| {
            let all: u32 = registration
                .slots
                .iter()
                .filter(|(of, _)| *of == queue)
                .map(|(_, slots)| slots)
                .sum();
            i32::try_from(all).unwrap_or(i32::MAX)
        };
        let tasks: Vec<Uuid> = heartbeats.iter().map(|heartbeat| heartbeat.task.0).collect();
        let fences: Vec<i64> = heartbeats.iter().map(|heartbeat| heartbeat.fence.0).collect();
        let progress: Vec<Option<f32>> = heartbeats
            .iter()
            .map(|heartbeat| heartbeat.progress.as_ref().map(|progress| progress.value as f32))
            .collect();
        let stages: Vec<Option<String>> = heartbeats
            .iter()
            .map(|heartbeat| {
                heartbeat
                    .progress
                    .as_ref()
                    .and_then(|progress| progress.stage.as_deref().map(clean))
            })
            .collect();
        let query =
            sqlx::query("SELECT spool.heartbeat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
                .bind(registration.worker.0)
                .bind(clean(&registration.name))
                .bind(slots(Queue::Render))
                .bind(slots(Queue::Generate))
                .bind(slots(Queue::Light))
                .bind(registration.draining)
                .bind(tasks)
                .bind(fences)
                .bind(progress)
                .bind(stages)
                .bind(millis(lease));
        let row = self.patiently(query.fetch_one(&self.heartbeats)).await?;
        let replies: Vec<i16> = Cells::of(&row).take()?;
        replies.into_iter().map(reply).collect()
    }
}

fn reply(code: i16) -> PortResult<HeartbeatReply> {
    match code {
        0 => Ok(HeartbeatReply::Held),
        1 => Ok(HeartbeatReply::Cancel),
        2 => Ok(HeartbeatReply::Stale),
        _ => Err(unreadable("reply", code)),
    }
}

/// Removes the one character that a text column refuses.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}
