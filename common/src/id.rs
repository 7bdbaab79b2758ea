//! Ids as types, so that a job's id can't be passed where a task's is expected.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new UUIDv7. Ids made later sort later (to the millisecond across machines).
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// The id of a job: all that a client requests in one call.
    JobId
);
uuid_id!(
    /// The id of a batch: many jobs accepted in one call.
    BatchId
);
uuid_id!(
    /// The id of a task: the unit that one task message announces and one worker runs.
    TaskId
);
uuid_id!(
    /// The id of a schedule: a job that recurs.
    ScheduleId
);
uuid_id!(
    /// The id of one run of a worker process. A restart gets a new one.
    WorkerId
);

impl TaskId {
    /// The id of the first task of a job's plan, which for most jobs is the only one.
    ///
    /// First tasks sort as their jobs do, also within a millisecond, so jobs accepted in one call
    /// start in the order given. For that the id keeps the first twelve bytes of the job's: in a
    /// UUIDv7 of this process the 42 bits after the timestamp are a counter (RFC 9562, 6.2, method
    /// 1).
    pub fn first_of(job: JobId) -> Self {
        let Self(hashed) = Self::derive(job.0, 0);
        let mut bytes = *hashed.as_bytes();
        bytes[..12].copy_from_slice(&job.0.as_bytes()[..12]);
        Self(Uuid::from_bytes(bytes))
    }

    /// The id of the `index`th task of a parent (a job's plan, or the task that grew it).
    ///
    /// It is derived: planning or growing again gives the same ids, and a repeated insert changes
    /// nothing. It keeps the parent's 48-bit timestamp, so tasks are in the same time partition as
    /// their job.
    pub fn derive(parent: Uuid, index: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 task id");
        hasher.update(parent.as_bytes());
        hasher.update(&index.to_be_bytes());
        Self(derived(&hasher, &parent.as_bytes()[..6]))
    }
}

impl JobId {
    /// The id of the job that a schedule posts for a due time, in milliseconds since the epoch.
    /// Every sweeper and every retry derives the same id, so one job is posted. It sorts as if it
    /// had been posted at that time.
    pub fn of_firing(schedule: ScheduleId, due_ms: i64) -> Self {
        let due = u64::try_from(due_ms).unwrap_or_default().to_be_bytes();
        let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 job id of a firing");
        hasher.update(schedule.0.as_bytes());
        hasher.update(&due);
        Self(derived(&hasher, &due[2..]))
    }
}

impl ScheduleId {
    /// The id of the schedule that a call with an idempotency key creates. A repeated call gives
    /// the same id.
    pub fn of_call(tenant: &TenantId, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("spool 2026-11 schedule id of a call");
        hasher.update(tenant.0.as_bytes());
        hasher.update(&[0]);
        hasher.update(key.as_bytes());
        Self(derived(&hasher, &[]))
    }
}

/// A UUIDv7 from a hash, after the 48-bit timestamp `time` if there is one.
fn derived(hasher: &blake3::Hasher, time: &[u8]) -> Uuid {
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    bytes[..time.len()].copy_from_slice(time);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    Uuid::from_bytes(bytes)
}

/// The fencing token of a task. It grows by one with every claim; a write with an older one is
/// stale and changes nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Fence(pub i64);

/// The owner of jobs. A tenant never sees another's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub String);

impl TenantId {
    /// The tenant of a server without API keys (`spool dev`, loopback).
    pub const DEFAULT: &'static str = "default";
}

impl Default for TenantId {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hash of 32 bytes (BLAKE3 unless stated otherwise), written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The BLAKE3 hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error of a text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a hash: give 64 lower-case hex digits")]
pub struct BadDigest(String);

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadDigest(text.chars().take(80).collect());
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(bad()),
        };
        if text.len() != 64 {
            return Err(bad());
        }
        let mut bytes = [0u8; 32];
        for (slot, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *slot = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_task_id_is_stable_and_keeps_its_parents_time() {
        let parent = Uuid::parse_str("01932b6e-7f00-7abc-8def-0123456789ab").expect("a uuid");
        let id = TaskId::derive(parent, 3);
        assert_eq!(id, TaskId::derive(parent, 3));
        assert_ne!(id, TaskId::derive(parent, 4));
        assert_eq!(id.0.as_bytes()[..6], parent.as_bytes()[..6]);
        assert_eq!(id.0.get_version_num(), 7);
    }

    #[test]
    fn first_tasks_sort_as_their_jobs_do() {
        let jobs: Vec<JobId> = (0..2_000).map(|_| JobId::new()).collect();
        let tasks: Vec<TaskId> = jobs.iter().copied().map(TaskId::first_of).collect();
        assert!(tasks.is_sorted(), "many share a millisecond");
        assert!(
            tasks
                .iter()
                .zip(&jobs)
                .all(|(task, job)| task.0 != job.0 && *task == TaskId::first_of(*job))
        );
        assert!(tasks.iter().all(|task| task.0.get_version_num() == 7));
    }

    #[test]
    fn a_firing_has_one_job_which_sorts_by_its_due_time() {
        let (one, other) = (ScheduleId::new(), ScheduleId::new());
        let due = 1_793_000_000_000;
        assert_eq!(JobId::of_firing(one, due), JobId::of_firing(one, due));
        assert_ne!(JobId::of_firing(one, due), JobId::of_firing(other, due));
        assert!(JobId::of_firing(other, due) < JobId::of_firing(one, due + 1));
        assert_eq!(JobId::of_firing(one, due).0.as_bytes()[..6], due.to_be_bytes()[2..]);
    }

    #[test]
    fn a_digest_parses_only_its_own_spelling() {
        let digest = Digest::of(b"spool");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "zz", &"A".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
