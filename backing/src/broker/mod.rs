//! Adapters of the broker: in process for one machine, RabbitMQ for a fleet, and an unreliable one
//! for tests.
//!
//! Nothing depends on a message: the sweep publishes again for a task that is `queued` in the store
//! and that no worker claims.

#[cfg(feature = "test-doubles")]
pub mod faulty;
pub mod local;
pub mod rabbitmq;
