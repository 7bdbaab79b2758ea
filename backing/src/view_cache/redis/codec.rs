//! Values as bytes: small ones as they are, larger ones compressed.

use std::io::Read;

/// Values up to this many bytes are not compressed: zstd's frame would cost more than it saves.
const COMPRESS_FROM: usize = 1024;
/// The fastest level that still halves JSON. A busy worker writes thousands of views a second.
const LEVEL: i32 = 1;
/// Most bytes of an unpacked value: more than any value that is cached.
const MAX_UNPACKED: u64 = 64 * 1024 * 1024;

const PLAIN: u8 = b'p';
const ZSTD: u8 = b'z';

/// Appends a value's packed form to `packed`.
pub(super) fn pack(mut packed: Vec<u8>, value: &[u8]) -> Vec<u8> {
    let compressed =
        (value.len() > COMPRESS_FROM).then(|| zstd::bulk::compress(value, LEVEL).ok()).flatten();
    match compressed.filter(|compressed| compressed.len() < value.len()) {
        Some(compressed) => {
            packed.push(ZSTD);
            packed.extend(compressed);
        }
        None => {
            packed.push(PLAIN);
            packed.extend(value);
        }
    }
    packed
}

/// Unpacks a value; `None` if another version or another program wrote it in a form that is
/// unknown.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    match packed.split_first()? {
        (&PLAIN, value) => Some(value.to_vec()),
        (&ZSTD, compressed) => {
            let mut value = Vec::new();
            let mut source = zstd::Decoder::new(compressed).ok()?.take(MAX_UNPACKED + 1);
            source.read_to_end(&mut value).ok()?;
            (value.len() as u64 <= MAX_UNPACKED).then_some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_unpacks_to_itself_and_is_compressed_only_if_that_is_smaller() {
        for (value, is_smaller) in [
            (vec![], false),
            (vec![7; COMPRESS_FROM], false),
            (vec![7; COMPRESS_FROM + 1], true),
            (noise(5_000), false),
        ] {
            let packed = pack(Vec::new(), &value);
            assert_eq!(packed.len() <= value.len(), is_smaller);
            assert_eq!(unpack(&packed), Some(value));
        }
    }

    #[test]
    fn foreign_and_oversized_values_unpack_to_none() {
        for foreign in [b"".as_slice(), b"{}", b"zgarbage"] {
            assert_eq!(unpack(foreign), None);
        }
        let bomb = pack(Vec::new(), &vec![0; usize::try_from(MAX_UNPACKED).unwrap_or(0) + 1]);
        assert_eq!(unpack(&bomb), None);
    }

    fn noise(count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }
}
