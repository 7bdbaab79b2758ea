//! Files on a machine's disk under the hash of their content, bounded by bytes. The least recently
//! used are evicted first.
//!
//! The folder is its own index: a file's name is its hash, and its access time, set at each use, is
//! its age. So no crash can separate an index from the files. A file is renamed into place when it
//! is complete. It is hashed before this process first serves it, and again if its length, time or
//! inode changed; a file that does not match its name is removed.
//!
//! Files are fetched as hard links where the disk can: a file in use stays readable whatever is
//! evicted, and is not evicted, since that would free nothing. Any number of processes may share a
//! folder: its lock is held while one makes room.

mod folder;

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use common::{id::Digest, port::clock::Clock};
use parking_lot::Mutex;

use self::folder::CacheFolder;
pub use self::folder::StagingFolder;
use crate::artifacts::files;

/// The default limit in bytes: an hour of 1080p clips.
pub const DEFAULT_LIMIT: u64 = 5 << 30;
/// Most files remembered as verified. Past that all are forgotten, which costs hashing them again.
const MAX_VERIFIED: usize = 100_000;

/// A bounded folder of files by hash. Its calls block.
pub struct DiskCache {
    folder: CacheFolder,
    limit: u64,
    clock: Arc<dyn Clock>,
    /// The files that this process has hashed, as they were then.
    verified: Mutex<HashMap<Digest, FileStamp>>,
    counters: DiskCounters,
}

#[derive(Debug, Default)]
struct DiskCounters {
    hits: AtomicU64,
    misses: AtomicU64,
    evicted: AtomicU64,
    corrupt: AtomicU64,
}

/// Metadata that changes when a file's content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl FileStamp {
    fn of(file: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(file)?;
        Ok(Self {
            inode: meta.ino(),
            bytes: meta.len(),
            changed: (meta.mtime(), meta.mtime_nsec()),
        })
    }
}

/// Size of a disk cache, for all processes that share it, and counts of this process's reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// Files.
    pub entries: u64,
    pub bytes: u64,
    /// Most bytes.
    pub limit: u64,
    pub hits: u64,
    pub misses: u64,
    /// Files removed for want of room.
    pub evicted: u64,
    /// Files removed because their content did not match their name.
    pub corrupt: u64,
}

impl DiskCache {
    /// Opens the folder, which is created if it is missing. Counts its files, and removes files
    /// that a killed process left incomplete and those beyond the limit.
    ///
    /// # Errors
    /// The folder can't be created, read or locked.
    pub fn open(root: &Path, limit: u64, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let cache = Self {
            folder: CacheFolder::open(root)?,
            limit,
            clock,
            verified: Mutex::default(),
            counters: DiskCounters::default(),
        };
        let evicted = cache.folder.lock()?.recount(limit)?;
        cache.counters.evicted.fetch_add(evicted, Relaxed);
        Ok(cache)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    /// Links or copies the file of this hash to a new file at `to`. Returns `false` if it is not
    /// cached.
    ///
    /// # Errors
    /// `to` can't be written.
    pub fn fetch(&self, hash: &Digest, to: &Path) -> io::Result<bool> {
        let cached = self.folder.path_of(hash);
        let found = self.link_verified(hash, &cached, to)?;
        let counter = if found { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Relaxed);
        if found {
            // An error only makes the file seem older than it is.
            let _ = folder::touch(&cached, self.clock.now());
        }
        Ok(found)
    }

    /// Links the file first and then verifies the link, so that the verified file is the one used,
    /// even if the cached one is evicted or replaced meanwhile.
    fn link_verified(&self, hash: &Digest, cached: &Path, to: &Path) -> io::Result<bool> {
        match fs::hard_link(cached, to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Either path may be the missing one.
                return if cached.exists() { Err(error) } else { Ok(false) };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Another file system, or links are not allowed.
            Err(_) => match fs::copy(cached, to) {
                Ok(_) => {}
                Err(_) if !cached.exists() => return folder::remove(to).map(|()| false),
                Err(error) => return Err(error),
            },
        }
        let verified = self.verify(hash, to).inspect_err(|_| {
            // The next source of the file must find no file at `to`.
            let _ = fs::remove_file(to);
        });
        if verified? {
            return Ok(true);
        }
        self.counters.corrupt.fetch_add(1, Relaxed);
        tracing::warn!(%hash, "a cached file does not match its hash; it is removed");
        folder::remove(to)?;
        folder::remove(cached)?;
        Ok(false)
    }

    /// Returns whether a file has this hash.
    fn verify(&self, hash: &Digest, file: &Path) -> io::Result<bool> {
        let stamp = FileStamp::of(file)?;
        if self.verified.lock().get(hash) == Some(&stamp) {
            return Ok(true);
        }
        let (found, _) = files::digest(file).map_err(io::Error::other)?;
        if found != *hash {
            return Ok(false);
        }
        self.remember(*hash, stamp);
        Ok(true)
    }

    fn remember(&self, hash: Digest, stamp: FileStamp) {
        let mut verified = self.verified.lock();
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.insert(hash, stamp);
    }

    /// Creates a folder for a file that is to be kept. It is removed when dropped, and by the next
    /// process that opens the cache if this one is killed.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn stage(&self) -> io::Result<StagingFolder> {
        self.folder.stage()
    }

    /// Keeps a staged file under its hash, which the caller has verified. Returns `false` if it is
    /// not kept: it is larger than the cache, or too many files are in use to make room.
    ///
    /// # Errors
    /// The folder can't be read or written.
    pub fn keep(&self, staged: &StagingFolder, hash: &Digest) -> io::Result<bool> {
        let file = staged.file();
        let bytes = fs::metadata(&file)?.len();
        if bytes > self.limit {
            return Ok(false);
        }
        folder::protect(&file)?;
        folder::touch(&file, self.clock.now())?;
        let stamp = FileStamp::of(&file)?;
        let mut locked = self.folder.lock()?;
        let cached = self.folder.path_of(hash);
        if fs::metadata(&cached).is_ok_and(|held| held.len() == bytes) {
            return Ok(true);
        }
        let (has_room, evicted) = locked.make_room(bytes, self.limit)?;
        self.counters.evicted.fetch_add(evicted, Relaxed);
        if has_room {
            // Counted first: a crash between the two leaves the count too high, which the next
            // recount corrects.
            locked.add(bytes)?;
            folder::rename(&file, &cached)?;
            self.remember(*hash, stamp);
        }
        Ok(has_room)
    }

    /// Removes a file. A missing one is no error.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn forget(&self, hash: &Digest) -> io::Result<()> {
        folder::remove(&self.folder.path_of(hash))
    }

    /// Size and read counts.
    pub fn usage(&self) -> DiskUsage {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let ledger = self.folder.ledger();
        DiskUsage {
            entries: ledger.entries,
            bytes: ledger.bytes,
            limit: self.limit,
            hits: read(&self.counters.hits),
            misses: read(&self.counters.misses),
            evicted: read(&self.counters.evicted),
            corrupt: read(&self.counters.corrupt),
        }
    }
}
