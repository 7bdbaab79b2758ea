//! A model of the protocol of claim, heartbeat, settle, cancel, sweep and task message, small
//! enough to check every interleaving.
//!
//! One task, two processes (one with two slots), a broker that may lose and double messages,
//! processes that may die, and attempts that may stall past their lease and wake up later.
//! Transitions are `common::rules::lifecycle::next`, so the checked table is the one that the
//! stores follow.
//!
//! Known-bad variants show that the checker finds errors: each removes one mechanism, and must
//! violate the property that the mechanism is there for.

#![allow(missing_docs, clippy::unwrap_used)]

use common::rules::lifecycle::{TaskEvent, TaskState, next};
use stateright::{Checker, Model, Property};

/// The mechanism that a variant lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    Sound,
    SettleWithoutFence,
    ClaimKeepsFence,
    ExpiryById,
    AckBeforeClaimAndNoMessageSweep,
}

/// Clock ticks that a lease lasts: the first may pass without a heartbeat, the second ends it.
const LEASE: u8 = 2;
const QUARANTINE_AFTER: u8 = 2;
const MAX_ATTEMPTS: u8 = 2;
/// The process of each slot.
const PROCESS: [usize; 3] = [0, 0, 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    state: TaskState,
    fence: u8,
    /// The worker (process and its generation) in the row.
    worker: Option<(usize, u8)>,
    lease_left: u8,
    losses: u8,
    attempts: u8,
    cancel_asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ModelSlot {
    Idle,
    /// Holds a delivery that is not claimed yet.
    Received,
    /// Runs an attempt with its own knowledge of the claim.
    Running {
        fence: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ModelState {
    row: Row,
    messages: u8,
    slots: [ModelSlot; 3],
    generation: [u8; 2],
    /// The fence of a row whose lease had expired when a sweep read it, until the sweep acts on it.
    swept: Option<u8>,
    crashes_left: u8,
    publish_faults_left: u8,
    /// Set while a client may still cancel. A model in which that is always possible would never
    /// get stuck.
    may_cancel: bool,
    /// The slot of the last claim. This and the fields below are ghost variables: no mechanism
    /// reads them.
    holder: Option<usize>,
    settled: u8,
    settled_by_another: bool,
    live_lease_expired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ModelAction {
    Dispatch,
    LoseMessage,
    DoubleMessage,
    SweepMessages,
    Receive(usize),
    Claim(usize),
    HandBack(usize),
    Heartbeat(usize),
    Succeed(usize),
    FailAttempt(usize),
    AcknowledgeCancel(usize),
    Release(usize),
    Tick,
    SweepRead,
    SweepAct,
    Cancel,
    Crash(usize),
}

struct Protocol(Variant);

impl Protocol {
    fn worker(state: &ModelState, slot: usize) -> (usize, u8) {
        (PROCESS[slot], state.generation[PROCESS[slot]])
    }

    /// Returns whether the row accepts a write of this slot's attempt.
    fn admits(&self, state: &ModelState, slot: usize, fence: u8) -> bool {
        let row = &state.row;
        let running = row.state == TaskState::Running;
        match self.0 {
            Variant::SettleWithoutFence => running,
            _ => running && row.fence == fence && row.worker == Some(Self::worker(state, slot)),
        }
    }

    fn claim(&self, state: &mut ModelState, slot: usize) {
        state.slots[slot] = ModelSlot::Idle;
        if let Ok(running) = next(state.row.state, TaskEvent::Claim) {
            let worker = Self::worker(state, slot);
            let row = &mut state.row;
            row.state = running;
            row.fence += u8::from(self.0 != Variant::ClaimKeepsFence);
            row.worker = Some(worker);
            row.lease_left = LEASE;
            row.attempts += 1;
            state.holder = Some(slot);
            state.slots[slot] = ModelSlot::Running { fence: row.fence };
        }
    }

    fn write(&self, state: &mut ModelState, slot: usize, event: TaskEvent) {
        let ModelSlot::Running { fence } = state.slots[slot] else { return };
        state.slots[slot] = ModelSlot::Idle;
        if !self.admits(state, slot, fence) {
            return;
        }
        let holds = state.holder == Some(slot);
        let event = match event {
            TaskEvent::Fail if state.row.attempts < MAX_ATTEMPTS && !state.row.cancel_asked => {
                TaskEvent::Retry
            }
            event => event,
        };
        state.row.state = next(state.row.state, event).unwrap();
        if event == TaskEvent::Release {
            state.row.attempts -= 1;
        }
        settle_if_final(state, holds);
        leave(state);
    }

    /// Acts on what a sweep read earlier: the lease has expired, unless the row has changed since.
    fn expire(&self, state: &mut ModelState, read: u8) {
        let row = &mut state.row;
        let running = row.state == TaskState::Running;
        let still = running && row.fence == read && row.lease_left == 0;
        if !(still || (self.0 == Variant::ExpiryById && running)) {
            return;
        }
        state.live_lease_expired |= row.lease_left > 0;
        row.losses += 1;
        row.attempts -= 1;
        let event =
            if row.losses >= QUARANTINE_AFTER { TaskEvent::Quarantine } else { TaskEvent::Lose };
        row.state = next(row.state, event).unwrap();
        if row.cancel_asked && row.state == TaskState::Ready {
            row.state = next(row.state, TaskEvent::Cancel).unwrap();
        }
        settle_if_final(state, true);
        leave(state);
    }

    fn crash(&self, state: &mut ModelState, process: usize) {
        for slot in (0..PROCESS.len()).filter(|slot| PROCESS[*slot] == process) {
            // Unacked messages are delivered again.
            let unacked = state.slots[slot] == ModelSlot::Received
                && self.0 != Variant::AckBeforeClaimAndNoMessageSweep;
            state.messages += u8::from(unacked);
            state.slots[slot] = ModelSlot::Idle;
        }
        state.generation[process] += 1;
        state.crashes_left -= 1;
    }
}

fn settle_if_final(state: &mut ModelState, by_holder: bool) {
    if state.row.state.is_final() {
        state.settled += 1;
        state.settled_by_another |= !by_holder;
    }
}

fn leave(state: &mut ModelState) {
    if state.row.state != TaskState::Running {
        state.row.worker = None;
        state.holder = None;
    }
}

fn cancel(state: &mut ModelState) {
    state.may_cancel = false;
    match next(state.row.state, TaskEvent::Cancel) {
        Ok(cancelled) => {
            state.row.state = cancelled;
            settle_if_final(state, true);
        }
        Err(_) => state.row.cancel_asked = true,
    }
}

impl Model for Protocol {
    type State = ModelState;
    type Action = ModelAction;

    fn init_states(&self) -> Vec<ModelState> {
        let row = Row {
            state: TaskState::Ready,
            fence: 0,
            worker: None,
            lease_left: 0,
            losses: 0,
            attempts: 0,
            cancel_asked: false,
        };
        let state = ModelState {
            row,
            messages: 0,
            slots: [ModelSlot::Idle; 3],
            generation: [0; 2],
            swept: None,
            crashes_left: 1,
            publish_faults_left: 1,
            may_cancel: false,
            holder: None,
            settled: 0,
            settled_by_another: false,
            live_lease_expired: false,
        };
        vec![ModelState { may_cancel: true, ..state.clone() }, state]
    }

    fn actions(&self, state: &ModelState, actions: &mut Vec<ModelAction>) {
        let row = &state.row;
        if row.state == TaskState::Ready {
            actions.push(ModelAction::Dispatch);
        }
        if state.messages > 0 && state.publish_faults_left > 0 {
            actions.extend([ModelAction::LoseMessage, ModelAction::DoubleMessage]);
        }
        let nobody_has_it = state.messages == 0 && !state.slots.contains(&ModelSlot::Received);
        if row.state == TaskState::Queued
            && nobody_has_it
            && self.0 != Variant::AckBeforeClaimAndNoMessageSweep
        {
            actions.push(ModelAction::SweepMessages);
        }
        for (slot, doing) in state.slots.iter().enumerate() {
            match doing {
                ModelSlot::Idle if state.messages > 0 => actions.push(ModelAction::Receive(slot)),
                ModelSlot::Idle => {}
                ModelSlot::Received => {
                    actions.extend([ModelAction::Claim(slot), ModelAction::HandBack(slot)])
                }
                ModelSlot::Running { .. } => {
                    actions.extend([
                        ModelAction::Heartbeat(slot),
                        ModelAction::Succeed(slot),
                        ModelAction::FailAttempt(slot),
                    ]);
                    actions.push(if row.cancel_asked {
                        ModelAction::AcknowledgeCancel(slot)
                    } else {
                        ModelAction::Release(slot)
                    });
                }
            }
        }
        if row.state == TaskState::Running && row.lease_left > 0 {
            actions.push(ModelAction::Tick);
        }
        if row.state == TaskState::Running && row.lease_left == 0 && state.swept.is_none() {
            actions.push(ModelAction::SweepRead);
        }
        if state.swept.is_some() {
            actions.push(ModelAction::SweepAct);
        }
        if state.may_cancel && !row.state.is_final() {
            actions.push(ModelAction::Cancel);
        }
        if state.crashes_left > 0 && !row.state.is_final() {
            actions.extend([ModelAction::Crash(0), ModelAction::Crash(1)]);
        }
    }

    fn next_state(&self, last: &ModelState, action: ModelAction) -> Option<ModelState> {
        let mut state = last.clone();
        match action {
            ModelAction::Dispatch => {
                state.row.state = next(state.row.state, TaskEvent::Dispatch).unwrap();
                state.messages += 1;
            }
            ModelAction::LoseMessage => {
                state.messages -= 1;
                state.publish_faults_left -= 1;
            }
            ModelAction::DoubleMessage => {
                state.messages += 1;
                state.publish_faults_left -= 1;
            }
            ModelAction::SweepMessages => state.messages += 1,
            ModelAction::Receive(slot) => {
                state.messages -= 1;
                state.slots[slot] = ModelSlot::Received;
            }
            ModelAction::Claim(slot) => self.claim(&mut state, slot),
            ModelAction::HandBack(slot) => {
                state.slots[slot] = ModelSlot::Idle;
                if let Ok(ready) = next(state.row.state, TaskEvent::HandBack) {
                    state.row.state = ready;
                }
            }
            ModelAction::Heartbeat(slot) => match state.slots[slot] {
                ModelSlot::Running { fence } if self.admits(&state, slot, fence) => {
                    state.row.lease_left = LEASE
                }
                _ => state.slots[slot] = ModelSlot::Idle,
            },
            ModelAction::Succeed(slot) => self.write(&mut state, slot, TaskEvent::Succeed),
            ModelAction::FailAttempt(slot) => self.write(&mut state, slot, TaskEvent::Fail),
            ModelAction::AcknowledgeCancel(slot) => {
                self.write(&mut state, slot, TaskEvent::AcknowledgeCancel)
            }
            ModelAction::Release(slot) => self.write(&mut state, slot, TaskEvent::Release),
            ModelAction::Tick => state.row.lease_left -= 1,
            ModelAction::SweepRead => state.swept = Some(state.row.fence),
            ModelAction::SweepAct => {
                let read = state.swept.take().unwrap();
                self.expire(&mut state, read);
            }
            ModelAction::Cancel => cancel(&mut state),
            ModelAction::Crash(process) => self.crash(&mut state, process),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a row settles once", |_, state: &ModelState| state.settled <= 1),
            Property::always("only the lease's holder settles", |_, state: &ModelState| {
                !state.settled_by_another
            }),
            Property::always("a live lease is never expired", |_, state: &ModelState| {
                !state.live_lease_expired
            }),
            Property::eventually("every accepted task settles", |_, state: &ModelState| {
                state.settled > 0
            }),
        ]
    }

    /// Bounds the number of claims. Releases and hand-backs count no attempt and could go on for
    /// ever.
    fn within_boundary(&self, state: &ModelState) -> bool {
        state.row.fence <= 5 && state.row.attempts <= 5 && state.messages <= 3
    }
}

fn check(variant: Variant) -> impl Checker<Protocol> {
    Protocol(variant).checker().threads(2).spawn_bfs().join()
}

#[test]
fn the_protocol_holds_in_every_interleaving() {
    let checker = check(Variant::Sound);
    assert!(checker.is_done());
    let found: Vec<_> = checker.discoveries().into_keys().collect();
    assert!(found.is_empty(), "violated: {found:?}");
    assert!(
        checker.unique_state_count() > 10_000,
        "the model shrank to {} states",
        checker.unique_state_count()
    );
}

#[test]
fn each_missing_mechanism_is_found_out_by_the_property_it_is_there_for() {
    let cases = [
        (Variant::SettleWithoutFence, "only the lease's holder settles"),
        (Variant::ClaimKeepsFence, "only the lease's holder settles"),
        (Variant::ExpiryById, "a live lease is never expired"),
        (Variant::AckBeforeClaimAndNoMessageSweep, "every accepted task settles"),
    ];
    for (variant, property) in cases {
        let found = check(variant).discoveries();
        assert!(
            found.contains_key(property),
            "{variant:?} is not found out; found {:?}",
            found.keys()
        );
    }
}
