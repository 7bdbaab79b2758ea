//! The folder of a disk cache: `files/ab/<hash>`, `staging/<name>/`, a lock, and a ledger of how much there is.
//!
//! The ledger only saves looking at every file at every write. It is counted anew when the folder is opened and whenever room is made, and one
//! that can't be read is counted anew too.

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
/// A full cache is emptied so far, in hundredths, that not every write has to look at every file.
const DOWN_TO: u64 = 90;

/// How much there is.
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

/// The folder, open.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// The folder, with nobody else at work in it.
pub(super) struct Locked<'a> {
    folder: &'a Folder,
    _lock: File,
}

/// A file that could go.
struct Candidate {
    used_at: SystemTime,
    bytes: u64,
    path: PathBuf,
    in_use: bool,
}

impl Folder {
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join(FILES))?;
        fs::create_dir_all(root.join(STAGING))?;
        Ok(Self { root: root.canonicalize()? })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn place(&self, hash: &Digest) -> PathBuf {
        let name = hash.to_string();
        self.root.join(FILES).join(&name[..2]).join(name)
    }

    pub fn locked(&self) -> io::Result<Locked<'_>> {
        let lock =
            File::options().create(true).truncate(false).write(true).open(self.root.join(LOCK))?;
        lock.lock()?;
        Ok(Locked { folder: self, _lock: lock })
    }

    pub fn ledger(&self) -> Ledger {
        self.read_ledger().unwrap_or_default()
    }

    fn read_ledger(&self) -> Option<Ledger> {
        Ledger::read(&fs::read_to_string(self.root.join(LEDGER)).ok()?)
    }

    /// A folder of one's own for a file on its way in. Its lock says that somebody is at work there, and ends with the process.
    pub fn stage(&self) -> io::Result<Staging> {
        let _locked = self.locked()?;
        let path = self.root.join(STAGING).join(Uuid::new_v4().to_string());
        fs::create_dir(&path)?;
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(Staging { path, _lock: lock })
    }
}

impl Locked<'_> {
    /// Looks at all that is there: removes what nobody is bringing in any more, and what is beyond the limit. Answers how many files went.
    pub fn recount(&mut self, limit: u64) -> io::Result<u64> {
        self.sweep_staging()?;
        let files = self.files()?;
        self.evict(files, limit, limit)
    }

    /// Room for so many bytes, and how many files went for it.
    pub fn make_room(&mut self, bytes: u64, limit: u64) -> io::Result<(bool, u64)> {
        if self.folder.read_ledger().is_some_and(|ledger| ledger.bytes + bytes <= limit) {
            return Ok((true, 0));
        }
        let files = self.files()?;
        let evicted = self.evict(files, limit.saturating_sub(bytes), limit / 100 * DOWN_TO)?;
        Ok((self.folder.ledger().bytes + bytes <= limit, evicted))
    }

    /// One more file.
    pub fn add(&mut self, bytes: u64) -> io::Result<()> {
        let before = self.folder.ledger();
        self.write(Ledger { entries: before.entries + 1, bytes: before.bytes + bytes })
    }

    /// If there are more bytes than `most`, removes the files that were not used for longest until there are `wanted` at most, or all
    /// that is left is in use. Writes down what is left.
    fn evict(&mut self, mut files: Vec<Candidate>, most: u64, wanted: u64) -> io::Result<u64> {
        let mut left = Ledger {
            entries: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
        };
        let goal = if left.bytes > most { wanted.min(most) } else { most };
        files.sort_by_key(|file| file.used_at);
        let mut evicted = 0;
        for file in files.iter().filter(|file| !file.in_use) {
            if left.bytes <= goal {
                break;
            }
            fs::remove_file(&file.path)?;
            left = Ledger { entries: left.entries - 1, bytes: left.bytes - file.bytes };
            evicted += 1;
        }
        self.write(left)?;
        Ok(evicted)
    }

    fn files(&self) -> io::Result<Vec<Candidate>> {
        let mut found = Vec::new();
        for group in fs::read_dir(self.folder.root.join(FILES))? {
            let group = group?.path();
            for file in fs::read_dir(&group)? {
                found.extend(candidate(&file?)?);
            }
        }
        Ok(found)
    }

    fn sweep_staging(&self) -> io::Result<()> {
        for left in fs::read_dir(self.folder.root.join(STAGING))? {
            let path = left?.path();
            // Whoever works there holds its lock.
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

/// A file of the cache; what is none is no business of ours.
fn candidate(file: &fs::DirEntry) -> io::Result<Option<Candidate>> {
    let meta = match file.metadata() {
        Ok(meta) => meta,
        // A reader found it corrupt and removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_ours = meta.is_file()
        && file.file_name().to_str().is_some_and(|name| name.parse::<Digest>().is_ok());
    let candidate = || -> io::Result<Candidate> {
        Ok(Candidate {
            used_at: meta.accessed()?,
            bytes: meta.len(),
            path: file.path(),
            in_use: meta.nlink() > 1,
        })
    };
    is_ours.then(candidate).transpose()
}

/// A folder for a file on its way in, removed when dropped.
pub(super) struct Staging {
    path: PathBuf,
    _lock: File,
}

impl Staging {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a staging folder could not be removed");
        }
    }
}

/// Lets nobody write to a file any more.
pub(super) fn protect(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, Permissions::from_mode(0o444))
}

/// Says that a file was used now. Set, and not left to the file system, which may be mounted without access times.
pub(super) fn touch(file: &Path, now: Timestamp) -> io::Result<()> {
    File::open(file)?.set_times(FileTimes::new().set_accessed(now.into()))
}

/// Gives a whole file its name.
pub(super) fn rename(file: &Path, place: &Path) -> io::Result<()> {
    if let Some(group) = place.parent() {
        fs::create_dir_all(group)?;
    }
    fs::rename(file, place)
}
