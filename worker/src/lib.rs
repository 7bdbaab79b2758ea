//! Takes what is announced, runs it, and settles it. `intake` receives and claims, `attempt` runs one task through its
//! stages, `heart` keeps the leases, `settle` writes the verdicts; `kinds` holds a file for each kind of work.
//!
//! A worker knows the ports and never who stands behind them. What a kind returns is an outcome: it can't settle itself.

mod artifact_files;
mod attempt;
mod context;
mod dependencies;
mod facts;
mod fetch;
mod heartbeat;
mod intake;
mod kinds;
mod leases;
mod media_process;
mod metrics;
mod progress;
pub mod providers;
mod settle;
mod slots;
mod stop;
mod worker;

pub use dependencies::Dependencies;
pub use fetch::{Fetcher, Reach};
pub use media_process::MEDIA_PROCESS_ARGUMENT;
pub use metrics::Metrics;
pub use worker::{Settings, Worker};
