//! Takes what is announced, runs it, and settles it. `intake` receives and claims, `attempt` runs one task through its
//! stages, `heart` keeps the leases, `settle` writes the verdicts; `kinds` holds a file for each kind of work.
//!
//! A worker knows the ports and never who stands behind them. What a kind returns is an outcome: it can't settle itself.

mod attempt;
mod fetch;
mod heart;
mod intake;
pub mod kinds;
mod leases;
mod metrics;
mod progress;
pub mod providers;
mod settle;
mod slots;
mod stop;
mod worker;

pub use fetch::{Fetcher, Reach};
pub use metrics::Metrics;
pub use worker::{Parts, Settings, Worker};
