//! The folder of a disk cache: `files/ab/<hash>`, `staging/<name>/`, a lock, and a ledger of the
//! number and bytes of files.
//!
//! The ledger saves listing all files at every write. It is counted again when the folder is
//! opened, whenever room is made, and when it can't be read.

use std::{
    fs::{self, File, FileTimes, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use common::id::Digest;
use jiff::Timestamp;
use uuid::Uuid;

const FILES: &str = "files";
const STAGING: &str = "staging";
const LOCK: &str = "lock";
const LEDGER: &str = "ledger";
/// Percentage of the limit that a full cache is emptied to, so that not every write lists all
/// files.
const EMPTY_TO_PERCENT: u64 = 90;

/// Number and bytes of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ledger {
    pub entries: u64,
    pub bytes: u64,
}

impl Ledger {
    fn read(text: &str) -> Option<Self> {
        let (entries, bytes) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { entries: entries.parse().ok()?, bytes: bytes.parse().ok()? })
    }
}

/// An open folder.
#[derive(Debug)]
pub(super) struct CacheFolder {
    root: PathBuf,
}

/// A folder that this process has locked.
pub(super) struct LockedFolder<'a> {
    folder: &'a CacheFolder,
    _lock: File,
}

/// A cached file, as the choice of what to evict needs it.
struct CachedFile {
    used_at: SystemTime,
    bytes: u64,
    path: PathBuf,
    in_use: bool,
}

impl CacheFolder {
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join(FILES))?;
        fs::create_dir_all(root.join(STAGING))?;
        Ok(Self { root: root.canonicalize()? })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path_of(&self, hash: &Digest) -> PathBuf {
        let name = hash.to_string();
        self.root.join(FILES).join(&name[..2]).join(name)
    }

    pub fn lock(&self) -> io::Result<LockedFolder<'_>> {
        let lock =
            File::options().create(true).truncate(false).write(true).open(self.root.join(LOCK))?;
        lock.lock()?;
        Ok(LockedFolder { folder: self, _lock: lock })
    }

    pub fn ledger(&self) -> Ledger {
        self.read_ledger().unwrap_or_default()
    }

    fn read_ledger(&self) -> Option<Ledger> {
        Ledger::read(&fs::read_to_string(self.root.join(LEDGER)).ok()?)
    }

    /// Creates a staging folder. Its lock shows that it is in use, and ends with the process.
    pub fn stage(&self) -> io::Result<StagingFolder> {
        let _locked = self.lock()?;
        let path = self.root.join(STAGING).join(Uuid::new_v4().to_string());
        fs::create_dir(&path)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(StagingFolder { path, _lock: lock })
    }
}

impl LockedFolder<'_> {
    /// Counts all files, and removes abandoned staging folders and files beyond the limit. Returns
    /// the number of evicted files.
    pub fn recount(&mut self, limit: u64) -> io::Result<u64> {
        self.remove_abandoned()?;
        let files = self.files()?;
        self.evict(files, limit, limit)
    }

    /// Makes room for `bytes`. Returns whether there is room, and the number of evicted files.
    pub fn make_room(&mut self, bytes: u64, limit: u64) -> io::Result<(bool, u64)> {
        if self.folder.read_ledger().is_some_and(|ledger| ledger.bytes + bytes <= limit) {
            return Ok((true, 0));
        }
        let files = self.files()?;
        let empty_to = limit / 100 * EMPTY_TO_PERCENT;
        let evicted = self.evict(files, limit.saturating_sub(bytes), empty_to)?;
        Ok((self.folder.ledger().bytes + bytes <= limit, evicted))
    }

    /// Adds one file to the ledger.
    pub fn add(&mut self, bytes: u64) -> io::Result<()> {
        let before = self.folder.ledger();
        self.write(Ledger { entries: before.entries + 1, bytes: before.bytes + bytes })
    }

    /// If there are more than `max` bytes, removes the least recently used files until at most
    /// `empty_to` bytes remain, or all remaining files are in use. Writes the ledger, and returns
    /// the number of removed files.
    fn evict(&mut self, mut files: Vec<CachedFile>, max: u64, empty_to: u64) -> io::Result<u64> {
        let mut rest = Ledger {
            entries: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
        };
        let goal = if rest.bytes > max { empty_to.min(max) } else { max };
        files.sort_by_key(|file| file.used_at);
        let mut evicted = 0;
        for file in files.iter().filter(|file| !file.in_use) {
            if rest.bytes <= goal {
                break;
            }
            remove(&file.path)?;
            rest = Ledger { entries: rest.entries - 1, bytes: rest.bytes - file.bytes };
            evicted += 1;
        }
        self.write(rest)?;
        Ok(evicted)
    }

    fn files(&self) -> io::Result<Vec<CachedFile>> {
        let mut found = Vec::new();
        for group in fs::read_dir(self.folder.root.join(FILES))? {
            let group = group?.path();
            for file in fs::read_dir(&group)? {
                found.extend(cached_file(&file?)?);
            }
        }
        Ok(found)
    }

    fn remove_abandoned(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.folder.root.join(STAGING))? {
            let path = entry?.path();
            // A folder in use is locked.
            if File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }

    fn write(&self, ledger: Ledger) -> io::Result<()> {
        let beside = self.folder.root.join(format!("{LEDGER}.new"));
        File::create(&beside)?
            .write_all(format!("{} {}\n", ledger.entries, ledger.bytes).as_bytes())?;
        fs::rename(beside, self.folder.root.join(LEDGER))
    }
}

/// Reads a cached file's metadata; `None` for a file that the cache did not write.
fn cached_file(file: &fs::DirEntry) -> io::Result<Option<CachedFile>> {
    let meta = match file.metadata() {
        Ok(meta) => meta,
        // A reader found the file corrupt and removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_cached = meta.is_file()
        && file.file_name().to_str().is_some_and(|name| name.parse::<Digest>().is_ok());
    if !is_cached {
        return Ok(None);
    }
    Ok(Some(CachedFile {
        used_at: meta.accessed()?,
        bytes: meta.len(),
        path: file.path(),
        in_use: meta.nlink() > 1,
    }))
}

/// A folder for one file that is to be kept, removed when dropped.
pub struct StagingFolder {
    path: PathBuf,
    _lock: File,
}

impl StagingFolder {
    /// The path to write the file to. Nothing is there yet.
    pub fn file(&self) -> PathBuf {
        self.path.join("file")
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "a staging folder could not be removed");
        }
    }
}

/// Makes a file read-only.
pub(super) fn protect(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, Permissions::from_mode(0o444))
}

/// Sets a file's access time. The file system may be mounted without access times.
pub(super) fn touch(file: &Path, now: Timestamp) -> io::Result<()> {
    File::open(file)?.set_times(FileTimes::new().set_accessed(now.into()))
}

/// Gives a complete file its final name.
pub(super) fn rename(file: &Path, to: &Path) -> io::Result<()> {
    if let Some(group) = to.parent() {
        fs::create_dir_all(group)?;
    }
    fs::rename(file, to)
}

/// Removes a file. A missing one is no error: a reader removes a file that it found corrupt.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
