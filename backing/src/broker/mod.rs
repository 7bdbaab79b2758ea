//! The task message: in process for one machine, RabbitMQ for a fleet, and a double that does what networks do.
//!
//! Neither adapter is trusted with anything: a task that is `queued` in the store and unconfirmed of here is published again by the sweep.

pub mod faulty;
pub mod local;
pub mod rabbitmq;
