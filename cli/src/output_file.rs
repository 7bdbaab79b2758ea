//! Files that commands write. A file is whole or not there: it is written beside its place and
//! moved into it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use crate::{
    exit::{CommandResult, Failure},
    input::full_path,
};

/// A file to write. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    unfinished: PathBuf,
}

impl OutputFile {
    /// Refuses a path that cannot be written, before the work begins.
    pub fn at(path: &Path) -> Result<Self, Failure> {
        let shown = full_path(path);
        let full = std::path::absolute(path).map_err(|error| unwritable(path, &error))?;
        if full.is_dir() {
            return Err(Failure::Failed(format!(
                "{shown} is a folder: name a file, such as out.mp4"
            )));
        }
        if !full.parent().is_some_and(Path::is_dir) {
            return Err(Failure::Failed(format!(
                "the folder of {shown} does not exist: make it first"
            )));
        }
        let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unfinished = full.with_file_name(format!(".{name}.{}", std::process::id()));
        Ok(Self { path: full, unfinished })
    }

    /// The place of the finished file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The unfinished file, empty.
    pub fn create(&self) -> Result<File, Failure> {
        File::create(&self.unfinished).map_err(|error| self.unwritable(&error))
    }

    /// Moves the unfinished file into its place.
    pub fn finish(self) -> CommandResult {
        std::fs::rename(&self.unfinished, &self.path).map_err(|error| self.unwritable(&error))
    }

    /// Writes a copy of a file. It is not linked, because files of the cache must not be written
    /// to.
    pub fn copy_of(self, file: &Path) -> CommandResult {
        let copy = |to: &mut File| io::copy(&mut File::open(file)?, to);
        copy(&mut self.create()?).map_err(|error| self.unwritable(&error))?;
        self.finish()
    }

    /// Writes a text.
    pub fn of_text(self, text: &str) -> CommandResult {
        std::fs::write(&self.unfinished, text).map_err(|error| self.unwritable(&error))?;
        self.finish()
    }

    /// The failure for an error of writing.
    pub fn unwritable(&self, error: &io::Error) -> Failure {
        unwritable(&self.path, error)
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Of a finished file nothing is there.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} can't be written: {error}", full_path(path)))
}

/// The extension of a file's name, in lower case; `jpg` for `jpeg`.
pub fn extension(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_string_lossy().to_lowercase();
    Some(if extension == "jpeg" { "jpg".to_owned() } else { extension })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(OutputFile::at(&path).unwrap().create().unwrap());
        assert_eq!(names(), 0);
        OutputFile::at(&path).unwrap().of_text("one").unwrap();
        let missing = OutputFile::at(&path).unwrap().copy_of(&folder.path().join("missing"));
        assert!(missing.unwrap_err().to_string().contains("a.txt can't be written"));
        assert_eq!((names(), std::fs::read_to_string(&path).unwrap().as_str()), (1, "one"));
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_with_the_full_path() {
        let error = |path: &str| OutputFile::at(Path::new(path)).unwrap_err().to_string();
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            error("no/such/out.mp4"),
            format!(
                "the folder of {}/no/such/out.mp4 does not exist: make it first",
                here.display()
            )
        );
        assert!(error(".").contains("is a folder"));
    }
}
