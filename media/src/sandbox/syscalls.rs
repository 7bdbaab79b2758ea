//! The seccomp filter: the system calls that a media process may make.
//!
//! All calls that are not listed are denied, also those of kernels to come. The list is what the
//! engine, its libraries and the C library use once the process is confined. It has no call that
//! changes a file's mode, times, owner or attributes, starts or signals another process, makes a
//! link, or opens a socket, because the file rules cover none of them. A denied call fails with
//! `EPERM` and does not kill the process: some libraries try such calls and go on without them.
//!
//! Calls by the x32 numbers of x86-64 are on no list and are denied as well.

use seccompiler::{
    BackendError, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// Calls that are allowed with any arguments.
const ALLOWED: &[libc::c_long] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Open files.
    libc::SYS_close,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_sendfile,
    libc::SYS_write,
    libc::SYS_writev,
    // Paths, within the file rules.
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    // Threads and signals of this process.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Time, randomness, and facts about the machine.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_nanosleep,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

/// Calls of x86-64 that newer architectures replaced by calls of the list above.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_getdents,
    libc::SYS_lstat,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[libc::c_long] = &[];

/// Calls that fail as on a kernel without them, so that the C library and libnuma do without. The
/// flags of `clone3` and `openat2` are in memory, where no filter sees them.
const ABSENT: &[libc::c_long] =
    &[libc::SYS_clone3, libc::SYS_futex_waitv, libc::SYS_get_mempolicy, libc::SYS_openat2];

/// Flags of a `clone` that starts a thread of this process: a thread ends with its process.
const THREAD: u64 = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD) as u64;
/// Flags of a `clone` that opens namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS) as u64;

/// Commands of `fcntl`. None sends signals, as `F_SETOWN` does.
const FCNTL: [libc::c_int; 6] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_GETFL,
    libc::F_SETFD,
    libc::F_SETFL,
];
/// Requests of `ioctl`.
const IOCTL: [u64; 3] = [libc::TCGETS, libc::FIOCLEX, libc::FIONREAD];
/// The option of `prctl` with which the C library names its memory, for `/proc`.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Installs the filter for this thread and those it starts.
///
/// # Errors
/// A sentence, if the kernel or the processor does not support the filter.
pub(super) fn allow_listed() -> Result<(), String> {
    // The kernel takes the strictest of several filters. The list must allow the calls of the
    // first one, whose error it would otherwise replace.
    let absent = rules(ABSENT);
    let errno = |number: libc::c_int| SeccompAction::Errno(number as u32);
    install(absent, SeccompAction::Allow, errno(libc::ENOSYS))
        .and_then(|()| install(listed()?, errno(libc::EPERM), SeccompAction::Allow))
        .map_err(|error| error.to_string())
}

fn install(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let program: seccompiler::BpfProgram =
        SeccompFilter::new(rules, otherwise, matching, architecture)?.try_into()?;
    seccompiler::apply_filter(&program)
}

fn rules(calls: &[libc::c_long]) -> BTreeMap<i64, Vec<SeccompRule>> {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn listed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut listed = rules(&[ALLOWED, ALLOWED_OLD, ABSENT].concat());
    let own = u64::from(std::process::id());
    listed.extend([
        (libc::SYS_clone, vec![rule([argument(0, masked(THREAD | NAMESPACES), THREAD)])?]),
        (libc::SYS_fcntl, any_of(1, FCNTL.map(|command| command as u64))?),
        (libc::SYS_ioctl, any_of(1, IOCTL)?),
        // Signals and limits of this process only.
        (libc::SYS_kill, any_of(0, [own])?),
        (libc::SYS_tgkill, any_of(0, [own])?),
        (libc::SYS_prlimit64, any_of(0, [0])?),
        (libc::SYS_getpriority, own_priority()?),
        (libc::SYS_setpriority, own_priority()?),
        (
            libc::SYS_prctl,
            any_of(0, [libc::PR_SET_NAME as u64, libc::PR_GET_NAME as u64, PR_SET_VMA])?,
        ),
        (libc::SYS_openat, opening(2)?),
    ]);
    #[cfg(target_arch = "x86_64")]
    listed.insert(libc::SYS_open, opening(1)?);
    Ok(listed)
}

/// Opening a file truncates it only if it is opened for writing, which the file rules see. Landlock
/// before its third version lets a file that is opened for reading be truncated.
fn opening(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let access = |mode: libc::c_int| argument(flags, masked(libc::O_ACCMODE as u64), mode as u64);
    Ok(vec![
        rule([argument(flags, masked(libc::O_TRUNC as u64), 0)])?,
        rule([access(libc::O_WRONLY)])?,
        rule([access(libc::O_RDWR)])?,
    ])
}

/// `PRIO_PROCESS`, and 0 for the caller.
fn own_priority() -> Result<Vec<SeccompRule>, BackendError> {
    let equal = || SeccompCmpOp::Eq;
    Ok(vec![rule([argument(0, equal(), libc::PRIO_PROCESS as u64), argument(1, equal(), 0)])?])
}

fn any_of<const N: usize>(index: u8, values: [u64; N]) -> Result<Vec<SeccompRule>, BackendError> {
    values.into_iter().map(|value| rule([argument(index, SeccompCmpOp::Eq, value)])).collect()
}

fn masked(bits: u64) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(bits)
}

/// Compares the lower half of an argument, which is all that the kernel takes of an `int`.
fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn rule<const N: usize>(
    conditions: [Result<SeccompCondition, BackendError>; N],
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}
