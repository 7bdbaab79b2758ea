//! Cost of an input to a process, by the kernel's counts.
//!
//! Time on the clock would depend on other processes; processor time and memory do not. The bounds
//! are for a build without optimisation.

use std::{fs, time::Duration};

use crate::process::Process;

/// Clock ticks of `/proc/PID/stat` in a second: 100 on every Linux (proc(5)).
const TICKS: u64 = 100;
/// Processor time that the process may use besides, for its heartbeats and sweeps.
const OTHER_WORK: Duration = Duration::from_millis(700);
/// Memory that an attack of any size may take: buffers, thread stacks, the allocator's reserve.
const OTHER_MEMORY: u64 = 64 << 20;

/// Processor time and memory that an input cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub input_bytes: usize,
    /// Of the process and of its children that have ended.
    pub cpu: Duration,
    /// The most resident memory in bytes, above that of before.
    pub memory: u64,
}

/// Measures what `attack`, with an input of this length, costs the process.
pub fn of(process: &Process, input_bytes: usize, attack: impl FnOnce()) -> Cost {
    let id = process.id();
    // 5 sets the peak to the memory that is resident now (proc(5)).
    fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
    let (cpu, resident) = (cpu(id), status(id, "VmRSS:"));
    attack();
    Cost {
        input_bytes,
        cpu: self::cpu(id).saturating_sub(cpu),
        memory: status(id, "VmHWM:").saturating_sub(resident),
    }
}

/// The most that a byte of input may cost.
#[derive(Debug, Clone, Copy)]
pub struct ByteCost {
    pub cpu: Duration,
    pub memory: u64,
}

/// Asserts that the attack's cost grows with its input, and not faster: `once` is the cost of an
/// input, and `twice` that of one of twice the length.
#[track_caller]
pub fn assert_linear(name: &str, once: Cost, twice: Cost, byte: ByteCost) {
    let bound = 3 * once.cpu + OTHER_WORK;
    assert!(twice.cpu <= bound, "{name}: the double costs {:?} after {:?}", twice.cpu, once.cpu);
    let bound = byte.cpu * twice.input_bytes as u32 + OTHER_WORK;
    assert!(twice.cpu <= bound, "{name}: {} bytes cost {:?}", twice.input_bytes, twice.cpu);
    let bound = byte.memory * twice.input_bytes as u64 + OTHER_MEMORY;
    assert!(twice.memory <= bound, "{name}: {} bytes take {}", twice.input_bytes, twice.memory);
}

fn cpu(id: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime, stime, cutime and cstime, counted from the state behind the name (proc(5)).
    let ticks: u64 = fields[11..15].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}

/// A size in `/proc/PID/status`, in bytes.
fn status(id: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
