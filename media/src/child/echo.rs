//! The test job: behaves as badly as it is asked to.

use super::{Echo, Escape, Progress};
use crate::{MediaError, Result};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const REPORT_EVERY: Duration = Duration::from_millis(50);
const MIB: u64 = 1 << 20;

/// Spins, allocates, tries to escape and exits, in this order and as far as each is asked for.
pub(super) fn run(echo: &Echo, report: &mut dyn FnMut(Progress)) -> Result<()> {
    spin(echo, report);
    let held = allocate(echo.allocate_mb)?;
    if let Some(escape) = &echo.escape {
        attempt(escape)?;
    }
    if echo.exit {
        std::process::exit(3);
    }
    drop(held);
    Ok(())
}

fn spin(echo: &Echo, report: &mut dyn FnMut(Progress)) {
    let length = Duration::from_millis(echo.spin_ms);
    let begun = Instant::now();
    let mut reported = begun;
    while begun.elapsed() < length {
        std::hint::spin_loop();
        if echo.progress && reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            report(Progress {
                done: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                total: echo.spin_ms,
            });
        }
    }
}

/// Allocates in pieces, and writes to each page: memory that is only promised would be free.
fn allocate(megabytes: u64) -> Result<Vec<Vec<u8>>> {
    let mut held = Vec::new();
    for done in 0..megabytes {
        let mut piece = Vec::new();
        piece.try_reserve_exact(MIB as usize).map_err(|_| {
            MediaError::OutOfMemory(format!(
                "{megabytes} MiB were asked for and the memory bound was reached after {done}"
            ))
        })?;
        piece.resize(MIB as usize, 1);
        held.push(piece);
    }
    Ok(held)
}

fn attempt(escape: &Escape) -> Result<()> {
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
    Err(MediaError::Internal(format!("the cage let through: {}", succeeded.join(", "))))
}
