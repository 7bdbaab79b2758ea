//! Runs the job of the tests, which misbehaves as asked.

use crate::protocol::{EscapeAttempt, Progress, TestJob};
use crate::{MediaError, Result};
use rustix::process::{Signal, getpid, kill_process};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const REPORT_EVERY: Duration = Duration::from_millis(50);
const MIB: u64 = 1 << 20;

/// Spins, allocates, raises a signal, tries to escape and exits, in this order, as far as asked.
pub(super) fn run(job: &TestJob, report: &mut dyn FnMut(Progress)) -> Result<()> {
    spin(job, report);
    let allocated = allocate(job.allocate_mb)?;
    if job.signal {
        kill_process(getpid(), Signal::USR1)
            .map_err(|error| MediaError::Internal(format!("raising a signal failed: {error}")))?;
    }
    if let Some(escape) = &job.escape {
        attempt(escape)?;
    }
    if job.exit {
        std::process::exit(3);
    }
    drop(allocated);
    Ok(())
}

fn spin(job: &TestJob, report: &mut dyn FnMut(Progress)) {
    let length = Duration::from_millis(job.spin_ms);
    let begun = Instant::now();
    let mut reported = begun;
    while begun.elapsed() < length {
        std::hint::spin_loop();
        if job.progress && reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            report(Progress {
                done: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                total: job.spin_ms,
            });
        }
    }
}

/// Allocates MiB by MiB and writes to each page: memory that is never written costs nothing.
fn allocate(megabytes: u64) -> Result<Vec<Vec<u8>>> {
    let mut blocks = Vec::new();
    for done in 0..megabytes {
        let mut block = Vec::new();
        block.try_reserve_exact(MIB as usize).map_err(|_| {
            MediaError::OutOfMemory(format!(
                "{megabytes} MiB were asked for and the memory bound was reached after {done}"
            ))
        })?;
        block.resize(MIB as usize, 1);
        blocks.push(block);
    }
    Ok(blocks)
}

fn attempt(escape: &EscapeAttempt) -> Result<()> {
    let reaches = [
        ("reading", std::fs::read(&escape.read).is_ok()),
        ("writing", std::fs::write(&escape.write, b"out").is_ok()),
        ("connecting", TcpStream::connect_timeout(&escape.connect, Duration::from_secs(1)).is_ok()),
        ("executing", std::process::Command::new(&escape.execute).spawn().is_ok()),
    ];
    let succeeded: Vec<&str> =
        reaches.iter().filter_map(|(reach, succeeded)| succeeded.then_some(*reach)).collect();
    if succeeded.is_empty() {
        return Ok(());
    }
    Err(MediaError::Internal(format!("the sandbox allowed: {}", succeeded.join(", "))))
}
