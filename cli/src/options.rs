//! Options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use common::queue::Queue;

/// The server that a command calls.
#[derive(Debug, Clone, Args)]
pub struct ServerArg {
    /// The server's address.
    #[arg(
        long,
        global = true,
        env = "SPOOL_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: String,
}

/// A job or a batch on a server.
#[derive(Debug, Args)]
pub struct IdArg {
    /// The id of a job or a batch.
    #[arg(value_name = "ID", value_parser = parse_id)]
    pub id: uuid::Uuid,
    #[command(flatten)]
    pub server: ServerArg,
}

/// The queues that a worker takes tasks from, and its slots.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// Takes tasks of these queues only (repeatable); of all by default.
    #[arg(long, value_enum, value_name = "QUEUE")]
    pub queue: Vec<QueueArg>,
    /// Attempts side by side in each queue; by default the number of cores for render, 64 for
    /// generate, 16 for light.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub slots: Option<u32>,
}

/// A queue on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueArg {
    /// Work that fills a core.
    Render,
    /// Work that waits for providers.
    Generate,
    /// Short work.
    Light,
}

impl From<QueueArg> for Queue {
    fn from(queue: QueueArg) -> Self {
        match queue {
            QueueArg::Render => Self::Render,
            QueueArg::Generate => Self::Generate,
            QueueArg::Light => Self::Light,
        }
    }
}

impl SlotArgs {
    /// Returns the slots by queue.
    pub fn by_queue(&self) -> Vec<(Queue, u32)> {
        let cores = std::thread::available_parallelism()
            .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        let default = |queue| match queue {
            Queue::Render => cores,
            Queue::Generate => 64,
            Queue::Light => 16,
        };
        let wanted = |queue: &Queue| {
            self.queue.is_empty() || self.queue.iter().any(|arg| Queue::from(*arg) == *queue)
        };
        let slots = |queue| (queue, self.slots.unwrap_or_else(|| default(queue)));
        Queue::ALL.into_iter().filter(wanted).map(slots).collect()
    }
}

/// Options of commands that work here, without a server.
#[derive(Debug, Args)]
pub struct LocalArgs {
    /// The folder for rendered parts between runs; by default `spool` in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Lets sources be local files below this folder, besides the composition's own (repeatable).
    #[arg(long, value_name = "DIR")]
    pub allow: Vec<PathBuf>,
    /// Segments rendered side by side; by default the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub slots: Option<u32>,
    /// Values for merge fields: `NAME=VALUE` (repeatable).
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_merge)]
    pub merge: Vec<(String, String)>,
}

pub fn parse_id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| {
        "give the id that posting it answered, such as 01932b6e-7f00-7abc-8def-0123456789ab"
            .to_owned()
    })
}

pub fn parse_merge(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE, such as TITLE=Hello")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_given_queues() {
        let slots = SlotArgs { queue: vec![QueueArg::Light], slots: Some(3) };
        assert_eq!(slots.by_queue(), [(Queue::Light, 3)]);
    }
}
