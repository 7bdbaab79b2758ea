//! One queue's way in: receive → take slots → claim → ack → start.
//!
//! A delivery is acked within [`ACK_WITHIN`], whatever runs: right after its claim committed, or, when no slot frees up in that time,
//! after its task was handed back to `ready`, where any worker's dispatcher finds it.

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

/// How long a delivery may wait for a slot: what is left of [`ACK_WITHIN`] after a claim or a hand-back.
const SLOT_WITHIN: Duration = Duration::from_millis(600);

/// Takes deliveries of one queue until told to stop.
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
            // The commit may or may not have happened. If it did, no heartbeat renews these leases and they expire; if not, the tasks stay
            // `queued` and the sweep dispatches again. Either way nothing is held here.
            tracing::warn!(%error, tasks = tasks.len(), "a claim failed");
            return ack(deliveries, fitting.iter().map(|(delivery, _)| delivery.tag).collect())
                .await;
        }
    };
    let mut tags = Vec::with_capacity(fitting.len());
    for ((delivery, slot), claimed) in fitting.into_iter().zip(claimed) {
        tags.push(delivery.tag);
        // A duplicate or late message claims nothing, and that is all that comes of it.
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
        // They stay `queued`; the sweep dispatches for them again.
        tracing::warn!(%error, tasks = tasks.len(), "tasks without a slot could not be handed back");
    }
    ack(deliveries, rest.iter().map(|delivery| delivery.tag).collect()).await;
}

async fn ack(deliveries: &mut dyn Deliveries, tags: Vec<DeliveryTag>) {
    if let Err(error) = deliveries.ack(&tags).await {
        // They come again and claim nothing.
        tracing::debug!(%error, "acks were lost");
    }
}

const _: () = assert!(SLOT_WITHIN.as_millis() < ACK_WITHIN.as_millis());
