//! Keeps the finished mix on disk, as raw 32-bit float stereo, to be read again by each loudness
//! pass.
//!
//! A file and not memory, because an hour of sound is over a gigabyte. It is read back and not
//! mixed again, because decoding costs more than reading. The file is deleted with its owner.

use super::mix::BLOCK;
use super::stereo::Stereo;
use crate::{MediaError, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a stereo sample.
const BYTES: usize = 8;

/// A mix that is being written.
pub(super) struct SpillWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A finished mix.
pub(super) struct Spill {
    path: PathBuf,
}

impl SpillWriter {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file =
            File::create(path).map_err(|error| MediaError::from_io("writing the mix", &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(256 * 1024, file) })
    }

    pub(super) fn write(&mut self, samples: &[Stereo]) -> Result<()> {
        let bytes: Vec<u8> =
            samples.as_flattened().iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.file.write_all(&bytes).map_err(|error| MediaError::from_io("writing the mix", &error))
    }

    pub(super) fn finish(self) -> Result<Spill> {
        // From here on the file has an owner that removes it.
        let spill = Spill { path: self.path };
        self.file
            .into_inner()
            .map_err(|error| MediaError::from_io("writing the mix", error.error()))?;
        Ok(spill)
    }
}

impl Spill {
    /// Visits the mix in blocks.
    pub(super) fn each_block(&self, mut visit: impl FnMut(&[Stereo]) -> Result<()>) -> Result<()> {
        let failed = |error: std::io::Error| MediaError::from_io("reading the mix", &error);
        let mut file = BufReader::new(File::open(&self.path).map_err(failed)?);
        let mut bytes = Vec::with_capacity(BLOCK * BYTES);
        loop {
            bytes.clear();
            let read = file
                .by_ref()
                .take((BLOCK * BYTES) as u64)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            if read == 0 {
                return Ok(());
            }
            visit(&decode(&bytes))?;
        }
    }
}

fn decode(bytes: &[u8]) -> Vec<Stereo> {
    let (words, _) = bytes.as_chunks::<4>();
    let (samples, _) = words.as_chunks::<2>();
    samples
        .iter()
        .map(|[left, right]| [f32::from_le_bytes(*left), f32::from_le_bytes(*right)])
        .collect()
}

impl Drop for Spill {
    fn drop(&mut self) {
        // The scratch folder is deleted too; this only frees its room sooner.
        let _ = std::fs::remove_file(&self.path);
    }
}
