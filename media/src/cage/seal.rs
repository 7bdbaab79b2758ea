//! What the child does to itself before it looks at a single byte of media.
//!
//! Every layer is put up where the machine has it and named where it has not, because kernels and containers differ: a
//! missing layer is worth a line in the operator's log and no reason to render nothing. Only the limits are demanded,
//! since without them one file can take the machine down. The order matters: a namespace needs the privileges that
//! the next step gives up, file rules name paths that are still reachable then, and the filter of system calls comes last
//! because it denies what the steps before it use.

use crate::cage::{Bounds, syscalls};
use crate::child::ChildJob;
use crate::{MediaError, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{
    Resource, Rlimit, Signal, getuid, nice, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The user and the group that own nothing, on every Linux.
const NOBODY: u32 = 65_534;
/// Below the parent's heartbeats and its HTTP, above nothing that matters.
const NICENESS: i32 = 10;
/// Read-only for every job: fonts that the system brings, and randomness for hash maps.
const READABLE: &[&str] = &["/usr/share/fonts", "/usr/local/share/fonts", "/dev/urandom"];
/// Where espeak-ng's voices are, on the distributions that package it.
const VOICES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/espeak-ng-data",
    "/usr/lib/aarch64-linux-gnu/espeak-ng-data",
    "/usr/lib/espeak-ng-data",
    "/usr/lib64/espeak-ng-data",
    "/usr/share/espeak-ng-data",
    "/usr/local/share/espeak-ng-data",
];
/// Seconds of processor time between the signal that says whose fault it is and the one that does not.
const CPU_GRACE: u64 = 5;
/// File mappings (libraries, fonts) and the gaps between arenas, beyond the memory that may be written.
const ADDRESS_SLACK: u64 = 4 << 30;

/// The layers around a child.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// Those that hold it.
    pub held: Vec<String>,
    /// Those that could not be had, each with its reason.
    pub missing: Vec<String>,
}

impl Seal {
    fn note(&mut self, layer: &str, outcome: Result<(), impl std::fmt::Display>) -> bool {
        match &outcome {
            Ok(()) => self.held.push(layer.to_owned()),
            Err(why) => self.missing.push(format!("{layer}: {why}")),
        }
        outcome.is_ok()
    }
}

/// Seals this process for `job`. To be called once, while it has a single thread: most layers bind the calling thread
/// and those that it starts later.
///
/// # Errors
/// When limits can't be set, or the job would write outside `scratch`.
pub(crate) fn seal(job: &ChildJob, scratch: &Path, bounds: &Bounds) -> Result<Seal> {
    refuse_outside(job, scratch)?;
    limit(bounds)?;
    let mut seal = Seal::default();
    seal.note("niceness", nice(NICENESS).map(|_| ()));
    seal.note("no new privileges", rustix::thread::set_no_new_privs(true));
    seal.note("network namespace", leave_network());
    let rules = file_rules(job, scratch);
    let dropped = drop_root(scratch).map(|user| seal.note("another user", user));
    // A change of user clears the death signal, so it is set after that.
    seal.note("death with the parent", set_parent_process_death_signal(Some(Signal::KILL)));
    let confined = seal.note("file rules", rules.and_then(enforce));
    if !confined && dropped == Some(true) {
        // Reading everything is bearable only behind file rules.
        seal.note("reading as nobody", keep_only(CapabilitySet::empty()));
    }
    seal.note("system call filter", syscalls::deny());
    Ok(seal)
}

fn refuse_outside(job: &ChildJob, scratch: &Path) -> Result<()> {
    match job.writes().into_iter().find(|out| !out.starts_with(scratch)) {
        Some(out) => Err(MediaError::Internal(format!(
            "{} is to be written, but stands outside the run's scratch folder {}",
            out.display(),
            scratch.display()
        ))),
        None => Ok(()),
    }
}

fn limit(bounds: &Bounds) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let seconds = bounds.deadline.as_secs() + 1;
    let limits = [
        (Resource::Data, bounds.memory),
        (Resource::As, bounds.memory.saturating_add(ADDRESS_SLACK)),
        (Resource::Fsize, bounds.file_size),
        (Resource::Nofile, bounds.handles),
        (Resource::Core, 0),
    ];
    // The hard limit kills without a name, so the soft one comes first.
    let work = seconds.saturating_mul(cores);
    let limits = limits.map(|(resource, value)| (resource, value, value));
    for (resource, soft, hard) in
        limits.into_iter().chain([(Resource::Cpu, work, work + CPU_GRACE)])
    {
        lower(resource, soft, hard).map_err(|error| {
            MediaError::from_io(format!("limiting {resource:?}"), &error.into())
        })?;
    }
    Ok(())
}

/// Lowers a limit; one that is already lower stays.
fn lower(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(
        resource,
        Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) },
    )
}

/// Into a network namespace with nothing in it; without root, by way of a user namespace.
fn leave_network() -> nix::Result<()> {
    let flags = if getuid().is_root() {
        CloneFlags::CLONE_NEWNET
    } else {
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET
    };
    unshare(flags)
}

/// Becomes nobody, if this is root. The scratch folder changes hands first. What stays is the right to read and
/// search, because sources may stand below folders that only root may enter; the file rules bound it.
fn drop_root(scratch: &Path) -> Option<rustix::io::Result<()>> {
    getuid().is_root().then(|| {
        std::os::unix::fs::chown(scratch, Some(NOBODY), Some(NOBODY)).map_err(|error| {
            rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::PERM)
        })?;
        let (user, group) =
            (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
        rustix::thread::set_keep_capabilities(true)?;
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
        keep_only(CapabilitySet::DAC_READ_SEARCH)
    })
}

fn keep_only(kept: CapabilitySet) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

fn file_rules(job: &ChildJob, scratch: &Path) -> Result<RulesetCreated, String> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(ABI::V5);
    let write = all & !AccessFs::Execute & !AccessFs::MakeBlock & !AccessFs::MakeChar;
    let voices = match job {
        ChildJob::Speech { .. } => voices(),
        _ => Vec::new(),
    };
    let created = Ruleset::default()
        .handle_access(all)
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI::V6)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rules(path_beneath_rules(job.reads(), read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(READABLE, read)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(voices, read)))
        .and_then(|rules| {
            rules.add_rules(path_beneath_rules(["/dev/null"], read | AccessFs::WriteFile))
        })
        .and_then(|rules| rules.add_rules(path_beneath_rules([scratch], write)));
    created.map_err(|error| error.to_string())
}

/// Where espeak-ng looks: at the place that its own variable names, and where it is packaged.
fn voices() -> Vec<PathBuf> {
    let named = std::env::var_os("ESPEAK_DATA_PATH").map(PathBuf::from);
    named.into_iter().chain(VOICES.iter().map(PathBuf::from)).collect()
}

fn enforce(rules: RulesetCreated) -> Result<(), String> {
    let status = rules.restrict_self().map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock".into()),
        // An older kernel has the rules for reading, writing and running, which is what counts.
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}
