//! A value as it is kept: with its times, and the generations of its tags when it was made.

use bytes::Bytes;

use super::{Life, item::Tag};

/// The envelope's version: another one reads as nothing.
const VERSION: u8 = 1;
/// Version, two times, how many generations.
const HEAD: usize = 1 + 8 + 8 + 1;

/// A kept value. Times are milliseconds since 1970, by the clock of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub value: Bytes,
    pub fresh_until: i64,
    pub gone_at: i64,
    /// In the order of the item's tags.
    pub generations: Vec<u64>,
    /// To find it by when they are cleared; known in process only.
    pub tags: Vec<Tag>,
}

/// What an entry is worth at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    Fresh,
    Stale,
    Gone,
}

impl Entry {
    pub fn new(value: Bytes, life: Life, now: i64, generations: Vec<u64>, tags: Vec<Tag>) -> Self {
        let later = |time: i64, span: std::time::Duration| {
            time.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
        };
        let fresh_until = later(now, life.fresh);
        Self { value, fresh_until, gone_at: later(fresh_until, life.stale), generations, tags }
    }

    /// Gone too if one of its tags was cleared since it was made.
    pub fn worth(&self, now: i64, generations: &[u64]) -> Worth {
        match () {
            () if now >= self.gone_at || self.generations != generations => Worth::Gone,
            () if now >= self.fresh_until => Worth::Stale,
            () => Worth::Fresh,
        }
    }

    pub fn write(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(HEAD + 8 * self.generations.len() + self.value.len());
        bytes.push(VERSION);
        bytes.extend(self.fresh_until.to_be_bytes());
        bytes.extend(self.gone_at.to_be_bytes());
        bytes.push(u8::try_from(self.generations.len()).unwrap_or(u8::MAX));
        self.generations.iter().for_each(|generation| bytes.extend(generation.to_be_bytes()));
        bytes.extend(&self.value);
        bytes.into()
    }

    /// The entry, or nothing if another version or another hand wrote it.
    pub fn read(bytes: &Bytes, tags: &[Tag]) -> Option<Self> {
        let number = |at: usize| <[u8; 8]>::try_from(bytes.get(at..at + 8)?).ok();
        if *bytes.first()? != VERSION {
            return None;
        }
        let count = usize::from(*bytes.get(HEAD - 1)?);
        let generations: Option<Vec<u64>> =
            (0..count).map(|index| number(HEAD + 8 * index).map(u64::from_be_bytes)).collect();
        let start = HEAD + 8 * count;
        Some(Self {
            value: (bytes.len() >= start).then(|| bytes.slice(start..))?,
            fresh_until: i64::from_be_bytes(number(1)?),
            gone_at: i64::from_be_bytes(number(9)?),
            generations: generations?,
            tags: tags.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_entry_reads_back_whole_and_what_was_torn_reads_as_nothing() {
        let life = Life { fresh: Duration::from_secs(5), stale: Duration::from_secs(7) };
        for value in ["", "value"] {
            let entry = Entry::new(Bytes::from(value), life, 1_000, vec![3, u64::MAX], Vec::new());
            let written = entry.write();
            assert_eq!(Entry::read(&written, &[]), Some(entry));
            for length in 0..HEAD + 16 {
                assert_eq!(Entry::read(&written.slice(..length), &[]), None, "{length}");
            }
        }
        assert_eq!(Entry::read(&Bytes::from_static(b"{\"another\": \"hand\"}"), &[]), None);
    }

    #[test]
    fn its_worth_follows_the_time_and_its_tags() {
        let life = Life { fresh: Duration::from_millis(10), stale: Duration::from_millis(5) };
        let entry = Entry::new(Bytes::new(), life, 100, vec![1, 2], Vec::new());
        let worth = [109, 110, 114, 115].map(|now| entry.worth(now, &[1, 2]));
        assert_eq!(worth, [Worth::Fresh, Worth::Stale, Worth::Stale, Worth::Gone]);
        assert_eq!(entry.worth(100, &[1, 3]), Worth::Gone);
    }
}
