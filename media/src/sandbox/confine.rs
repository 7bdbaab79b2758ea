//! Confines the media process, before it reads a byte of media.
//!
//! Kernels and containers differ, so a layer that the machine lacks is reported. By default it is
//! worth a line in the operator's log, and no reason to render nothing; an operator can require
//! every layer. The resource limits are always required, since without them one file can take the
//! machine down. The order matters: a namespace needs privileges that the next step gives up, the
//! file rules need paths that can still be reached, and the system call filter comes last because
//! it denies calls that the earlier steps make.

use super::scratch::open_folder;
use super::syscalls;
use crate::protocol::{Bounds, Confinement, MediaJob, SandboxPolicy};
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
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

/// The user and the group that own nothing, on every Linux.
const NOBODY: u32 = 65_534;
/// Lower priority than the parent, whose heartbeats and HTTP must not wait for a render.
const NICENESS: i32 = 10;
/// Readable by every job: the system's fonts, and randomness for hash maps.
const READABLE: &[&str] = &["/usr/share/fonts", "/usr/local/share/fonts", "/dev/urandom"];
/// The folders of espeak-ng's voices on the distributions that package it.
const VOICES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/espeak-ng-data",
    "/usr/lib/aarch64-linux-gnu/espeak-ng-data",
    "/usr/lib/espeak-ng-data",
    "/usr/lib64/espeak-ng-data",
    "/usr/share/espeak-ng-data",
    "/usr/local/share/espeak-ng-data",
];
/// Seconds of processor time between `SIGXCPU`, which names the cause, and `SIGKILL`.
const CPU_GRACE: u64 = 5;
/// Threads of one process, many times those of the encoders on a large machine. Kernels before 5.14
/// count those of all the user's processes.
const MAX_THREADS: u64 = 4096;
/// Address space beyond writable memory: file mappings (libraries, fonts) and gaps between arenas.
const ADDRESS_SLACK: u64 = 4 << 30;

impl Confinement {
    fn note(&mut self, layer: &str, outcome: Result<(), impl std::fmt::Display>) -> bool {
        match &outcome {
            Ok(()) => self.active.push(layer.to_owned()),
            Err(why) => self.missing.push(format!("{layer}: {why}")),
        }
        outcome.is_ok()
    }

    /// Returns an error if the policy requires every layer and one is missing.
    ///
    /// # Errors
    /// The sentence names the missing layers.
    pub(crate) fn satisfy(&self, policy: SandboxPolicy) -> Result<()> {
        match policy {
            SandboxPolicy::Require if !self.missing.is_empty() => {
                Err(MediaError::Internal(format!(
                    "the sandbox of media processes lacks a part that `sandbox = \"require\"` \
                     demands ({}): use a kernel and a container that offer it, or set `sandbox` to \
                     \"prefer\"",
                    self.missing.join("; ")
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Confines this process for `job`. Must be called once, while there is a single thread: most
/// layers bind the calling thread and the threads that it starts later. `inherited` is the outcome
/// of closing the inherited descriptors, which is the first layer.
///
/// # Errors
/// When a limit can't be set, or the job would write outside `scratch`.
pub(crate) fn confine(
    job: &MediaJob,
    scratch: &Path,
    bounds: &Bounds,
    inherited: std::io::Result<()>,
) -> Result<Confinement> {
    refuse_outside(job, scratch)?;
    limit(bounds)?;
    let mut confinement = Confinement::default();
    confinement.note("no inherited descriptors", inherited);
    confinement.note("niceness", nice(NICENESS).map(|_| ()));
    confinement.note("no new privileges", rustix::thread::set_no_new_privs(true));
    let is_root = getuid().is_root();
    let has_namespace = confinement.note("network namespace", leave_network(is_root));
    if has_namespace && !is_root {
        confinement.note("a user namespace without rights", give_up_namespace());
    }
    let rules = file_rules(job, scratch);
    let dropped = is_root.then(|| confinement.note("another user", drop_root(scratch)));
    // A change of user clears the death signal, so it is set afterwards.
    confinement.note("death with the parent", set_parent_process_death_signal(Some(Signal::KILL)));
    let has_file_rules = confinement.note("file rules", rules.and_then(enforce));
    if !has_file_rules && dropped == Some(true) {
        // Without file rules, the right to read every file is too much.
        confinement.note("reading as nobody", keep_only(CapabilitySet::empty()));
    }
    confinement.note("system call filter", syscalls::allow_listed());
    Ok(confinement)
}

fn refuse_outside(job: &MediaJob, scratch: &Path) -> Result<()> {
    match job.writes().into_iter().find(|out| !out.starts_with(scratch)) {
        Some(out) => Err(MediaError::Internal(format!(
            "{} can't be written: it is outside the run's scratch folder {}",
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
    // The hard limit kills without naming a cause, so the soft limit is lower.
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

/// Lowers a limit. A limit that is already lower stays.
fn lower(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(
        resource,
        Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) },
    )
}

/// Enters an empty network namespace; without root, through a user namespace.
fn leave_network(is_root: bool) -> nix::Result<()> {
    let flags = if is_root {
        CloneFlags::CLONE_NEWNET
    } else {
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET
    };
    unshare(flags)
}

/// Gives up the rights that a new user namespace grants in itself, and bounds its threads. Outside
/// one, the kernel's limit would count the other processes of the user.
fn give_up_namespace() -> rustix::io::Result<()> {
    keep_only(CapabilitySet::empty())?;
    lower(Resource::Nproc, MAX_THREADS, MAX_THREADS)
}

/// Changes the user from root to nobody, who owns the scratch folder from then on. The right to
/// read and search stays, because sources may lie in folders that only root may enter; the file
/// rules limit it.
fn drop_root(scratch: &Path) -> rustix::io::Result<()> {
    give_away(scratch).map_err(|error| {
        rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::PERM)
    })?;
    let (user, group) =
        (rustix::process::Uid::from_raw(NOBODY), rustix::process::Gid::from_raw(NOBODY));
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    keep_only(CapabilitySet::DAC_READ_SEARCH)
}

/// Makes the user nobody the owner of root's scratch folder: by its handle, so that the folder that
/// was looked at is the one that changes hands.
fn give_away(scratch: &Path) -> std::io::Result<()> {
    let folder = open_folder(scratch)?;
    // An earlier job of the same attempt may have given it away.
    match folder.metadata()?.uid() {
        0 | NOBODY => fchown(&folder, Some(NOBODY), Some(NOBODY)),
        _ => Err(std::io::ErrorKind::PermissionDenied.into()),
    }
}

fn keep_only(kept: CapabilitySet) -> rustix::io::Result<()> {
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

fn file_rules(job: &MediaJob, scratch: &Path) -> Result<RulesetCreated, String> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(ABI::V5);
    let write = all & !AccessFs::Execute & !AccessFs::MakeBlock & !AccessFs::MakeChar;
    let voices = match job {
        MediaJob::Speech { .. } => voices(),
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

/// The folders that espeak-ng searches: the one of its own variable, and those of packages.
fn voices() -> Vec<PathBuf> {
    let configured = std::env::var_os("ESPEAK_DATA_PATH").map(PathBuf::from);
    configured.into_iter().chain(VOICES.iter().map(PathBuf::from)).collect()
}

fn enforce(rules: RulesetCreated) -> Result<(), String> {
    let status = rules.restrict_self().map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel has no Landlock".into()),
        // An older kernel has the rules that matter: reading, writing and running.
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}
