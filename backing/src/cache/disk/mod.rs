//! Files on a machine's disk by the hash of their content, bounded by bytes: the least recently used go first.
//!
//! The folder is its own index: a file's name is its hash, its length is its size, and its access time, which is set at each use, is its age.
//! So no crash can tear an index from what it describes. A file gets its name by a rename, whole; one that this process has not yet seen is
//! hashed before it is first served, and one that changed since (length, time or inode) is hashed again. What does not match is removed.
//!
//! Files are handed out as hard links where the disk can: what is in use stays readable whatever is evicted, and is not evicted, since that
//! would free nothing. Any number of processes may share a folder: its lock is held while one makes room.

mod folder;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use common::{id::Digest, port::clock::Clock};
use parking_lot::Mutex;

use self::folder::{Folder, Staging};
use crate::artifacts::intake;

/// What is held where nothing else is said: an hour of 1080p clips.
pub const DEFAULT_LIMIT: u64 = 5 << 30;
/// Files that are known to be sound. Past that all are forgotten, which costs hashing them again.
const MOST_KNOWN: usize = 100_000;

/// A bounded folder of files by hash. Its calls block: they are file work.
pub struct DiskCache {
    folder: Folder,
    limit: u64,
    clock: Arc<dyn Clock>,
    /// The files that were hashed by this process, as they were then.
    sound: Mutex<HashMap<Digest, Stamp>>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
    corrupt: AtomicU64,
}

/// What changes when a file's content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(file)?;
        Ok(Self {
            inode: meta.ino(),
            bytes: meta.len(),
            changed: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

/// What a disk cache holds, of all processes that share it, and how this process's reads ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// Files.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The most bytes.
    pub limit: u64,
    /// Files that were there.
    pub hits: u64,
    /// Files that were not.
    pub misses: u64,
    /// Files that went for want of room.
    pub evicted: u64,
    /// Files that were not what their name says, and were removed.
    pub corrupt: u64,
}

impl DiskCache {
    /// Opens the folder, making it if it is missing: looks at all that is there, removes what a killed process left half-written, and
    /// what is beyond the limit.
    ///
    /// # Errors
    /// The folder can't be made, read or locked.
    pub fn open(root: &Path, limit: u64, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let cache = Self {
            folder: Folder::open(root)?,
            limit,
            clock,
            sound: Mutex::default(),
            counts: Counts::default(),
        };
        let evicted = cache.folder.locked()?.recount(limit)?;
        cache.counts.evicted.fetch_add(evicted, Relaxed);
        Ok(cache)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    /// Brings the file of this hash to a new file at `to` (linked or copied), or `false` if it is not here.
    ///
    /// # Errors
    /// `to` can't be written.
    pub fn fetch(&self, hash: &Digest, to: &Path) -> io::Result<bool> {
        let place = self.folder.place(hash);
        let found = self.hand_out(hash, &place, to)?;
        let counter = if found { &self.counts.hits } else { &self.counts.misses };
        counter.fetch_add(1, Relaxed);
        if found {
            // Without it the file only seems older than it is.
            let _ = folder::touch(&place, self.clock.now());
        }
        Ok(found)
    }

    /// The link is made first and then looked at, so that what was looked at is what is used, whoever evicts or replaces meanwhile.
    fn hand_out(&self, hash: &Digest, place: &Path, to: &Path) -> io::Result<bool> {
        match fs::hard_link(place, to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either end may be what is missing.
                return if place.exists() { Err(error) } else { Ok(false) };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Another file system, or links are not allowed.
            Err(_) => match fs::copy(place, to) {
                Ok(_) => {}
                Err(_) if !place.exists() => return remove(to).map(|()| false),
                Err(error) => return Err(error),
            },
        }
        if self.is_sound(hash, to)? {
            return Ok(true);
        }
        self.counts.corrupt.fetch_add(1, Relaxed);
        tracing::warn!(%hash, "a file in the disk cache is not what its name says; it is removed and fetched again");
        remove(to)?;
        remove(place)?;
        Ok(false)
    }

    fn is_sound(&self, hash: &Digest, file: &Path) -> io::Result<bool> {
        let stamp = Stamp::of(file)?;
        if self.sound.lock().get(hash) == Some(&stamp) {
            return Ok(true);
        }
        let (found, _) = intake::digest(file).map_err(io::Error::other)?;
        if found != *hash {
            return Ok(false);
        }
        self.remember(*hash, stamp);
        Ok(true)
    }

    fn remember(&self, hash: Digest, stamp: Stamp) {
        let mut sound = self.sound.lock();
        if sound.len() >= MOST_KNOWN {
            sound.clear();
        }
        sound.insert(hash, stamp);
    }

    /// A place for a file on its way in; what is left there goes with it, also if this process is killed.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn stage(&self) -> io::Result<Staged> {
        Ok(Staged(self.folder.stage()?))
    }

    /// Keeps a staged file under its hash, which the caller has found by hashing it. Answers whether it is kept: a file that is larger than
    /// the cache, or for which no room can be made since all is in use, is not.
    ///
    /// # Errors
    /// The folder can't be read or written.
    pub fn keep(&self, staged: &Staged, hash: &Digest) -> io::Result<bool> {
        let file = staged.file();
        let bytes = fs::metadata(&file)?.len();
        if bytes > self.limit {
            return Ok(false);
        }
        folder::protect(&file)?;
        folder::touch(&file, self.clock.now())?;
        let stamp = Stamp::of(&file)?;
        let mut locked = self.folder.locked()?;
        let place = self.folder.place(hash);
        if fs::metadata(&place).is_ok_and(|held| held.len() == bytes) {
            return Ok(true);
        }
        let (has_room, evicted) = locked.make_room(bytes, self.limit)?;
        self.counts.evicted.fetch_add(evicted, Relaxed);
        if has_room {
            // Counted first: a crash between the two leaves the count too high, and the next recount mends it.
            locked.add(bytes)?;
            folder::rename(&file, &place)?;
            self.remember(*hash, stamp);
        }
        Ok(has_room)
    }

    /// Forgets a file; one that is not here is no error.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn forget(&self, hash: &Digest) -> io::Result<()> {
        remove(&self.folder.place(hash))
    }

    /// What it holds, and how reads ended.
    pub fn usage(&self) -> DiskUsage {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let ledger = self.folder.ledger();
        DiskUsage {
            entries: ledger.entries,
            bytes: ledger.bytes,
            limit: self.limit,
            hits: read(&self.counts.hits),
            misses: read(&self.counts.misses),
            evicted: read(&self.counts.evicted),
            corrupt: read(&self.counts.corrupt),
        }
    }
}

/// A file on its way in.
pub struct Staged(Staging);

impl Staged {
    /// Where it is to be written. Nothing is there yet.
    pub fn file(&self) -> PathBuf {
        self.0.path().join("file")
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
