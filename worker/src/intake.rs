//! The intake of one queue: receive → take slots → claim → ack → start.
//!
//! A delivery is acked within [`ACK_WITHIN`], however long its task runs. It is acked right after
//! the claim is committed. If no slot is free in that time, its task is handed back to `ready`,
//! where the dispatcher of any worker finds it, and then it is acked.

use std::{sync::Arc, time::Duration};

use common::{
    id::TaskId,
    limits::{ACK_WITHIN, LEASE},
    port::broker::{Deliveries, Delivery, DeliveryTag},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt::{self, Shared},
    slots::{Slot, Slots},
};

/// Longest wait of a delivery for a slot: the part of [`ACK_WITHIN`] that a claim or a hand-back
/// leaves.
const SLOT_WITHIN: Duration = Duration::from_millis(600);

/// Takes deliveries of one queue until `stop` is cancelled.
pub async fn run(
    shared: Arc<Shared>,
    slots: Slots,
    mut deliveries: Box<dyn Deliveries>,
    stop: CancellationToken,
) {
    let most = slots.total as usize;
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            taken = deliveries.next(most) => taken,
        };
        take_in(&shared, &slots, &mut *deliveries, taken).await;
    }
}

async fn take_in(
    shared: &Arc<Shared>,
    slots: &Slots,
    deliveries: &mut dyn Deliveries,
    taken: Vec<Delivery>,
) {
    let mut waiting = taken.into_iter();
    let patience = tokio::time::Instant::now() + SLOT_WITHIN;
    loop {
        let mut fitting: Vec<(Delivery, Slot)> = Vec::new();
        while let Some(slot) = slots.try_take() {
            match waiting.next() {
                Some(delivery) => fitting.push((delivery, slot)),
                None => break,
            }
        }
        claim(shared, deliveries, fitting).await;
        let Some(next) = waiting.next() else { return };
        match tokio::time::timeout_at(patience, slots.take()).await {
            Ok(slot) => claim(shared, deliveries, vec![(next, slot)]).await,
            Err(_) => {
                let rest: Vec<Delivery> = std::iter::once(next).chain(waiting).collect();
                return hand_back(shared, deliveries, &rest).await;
            }
        }
    }
}

async fn claim(
    shared: &Arc<Shared>,
    deliveries: &mut dyn Deliveries,
    fitting: Vec<(Delivery, Slot)>,
) {
    if fitting.is_empty() {
        return;
    }
    let tasks: Vec<TaskId> = fitting.iter().map(|(delivery, _)| delivery.message.task).collect();
    let claimed = match shared.store.claim(shared.worker, &tasks, LEASE).await {
        Ok(claimed) => claimed,
        Err(error) => {
            // The claim may have been committed. If it was, no heartbeat renews these leases and
            // they expire. If not, the tasks stay `queued` and the sweep dispatches them again.
            tracing::warn!(%error, tasks = tasks.len(), "a claim failed");
            return ack(deliveries, fitting.iter().map(|(delivery, _)| delivery.tag).collect())
                .await;
        }
    };
    let mut tags = Vec::with_capacity(fitting.len());
    for ((delivery, slot), claimed) in fitting.into_iter().zip(claimed) {
        tags.push(delivery.tag);
        // A duplicate or late message claims nothing.
        if let Some(claimed) = claimed {
            attempt::start(shared.clone(), claimed, slot, delivery.message.traceparent.as_deref());
        }
    }
    ack(deliveries, tags).await;
}

async fn hand_back(shared: &Shared, deliveries: &mut dyn Deliveries, rest: &[Delivery]) {
    let tasks: Vec<TaskId> = rest.iter().map(|delivery| delivery.message.task).collect();
    shared.metrics.handed_back.inc_by(tasks.len() as u64);
    if let Err(error) = shared.store.hand_back(&tasks).await {
        // The tasks stay `queued`, and the sweep dispatches them again.
        tracing::warn!(%error, tasks = tasks.len(), "tasks without a slot were not handed back");
    }
    ack(deliveries, rest.iter().map(|delivery| delivery.tag).collect()).await;
}

async fn ack(deliveries: &mut dyn Deliveries, tags: Vec<DeliveryTag>) {
    if let Err(error) = deliveries.ack(&tags).await {
        // The messages come again and claim nothing.
        tracing::debug!(%error, "acks were lost");
    }
}

const _: () = assert!(SLOT_WITHIN.as_millis() < ACK_WITHIN.as_millis());
