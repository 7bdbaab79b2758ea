//! A cached value with its times, and the generations of its tags when it was computed.

use bytes::Bytes;

use super::{key::Tag, namespace::Lifetime};

/// Version of the stored form. An entry of another version counts as missing.
const VERSION: u8 = 2;
/// Bytes of version, three times and the number of generations.
const HEAD: usize = 1 + 3 * 8 + 1;

/// A cached value. Times are milliseconds since 1970, by the clock of the process that computed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub value: Bytes,
    pub computed_at: i64,
    pub fresh_until: i64,
    pub expires_at: i64,
    /// In the order of the key's tags.
    pub generations: Vec<u64>,
    /// Finds the entry when a tag is cleared. Not part of the stored form.
    pub tags: Vec<Tag>,
}

/// Freshness of an entry at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    Stale,
    Expired,
}

impl Entry {
    pub fn new(
        value: Bytes,
        lifetime: Lifetime,
        now: i64,
        generations: Vec<u64>,
        tags: Vec<Tag>,
    ) -> Self {
        let later = |time: i64, span: std::time::Duration| {
            time.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
        };
        let fresh_until = later(now, lifetime.fresh);
        let expires_at = later(fresh_until, lifetime.stale);
        Self { value, computed_at: now, fresh_until, expires_at, generations, tags }
    }

    /// Freshness at `now`. An entry is expired too if one of its tags was cleared since it was
    /// computed.
    pub fn freshness(&self, now: i64, generations: &[u64]) -> Freshness {
        match () {
            () if now >= self.expires_at || self.generations != generations => Freshness::Expired,
            () if now >= self.fresh_until => Freshness::Stale,
            () => Freshness::Fresh,
        }
    }

    pub fn write(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(HEAD + 8 * self.generations.len() + self.value.len());
        bytes.push(VERSION);
        for time in [self.computed_at, self.fresh_until, self.expires_at] {
            bytes.extend(time.to_be_bytes());
        }
        bytes.push(u8::try_from(self.generations.len()).unwrap_or(u8::MAX));
        self.generations.iter().for_each(|generation| bytes.extend(generation.to_be_bytes()));
        bytes.extend(&self.value);
        bytes.into()
    }

    /// Reads an entry; `None` if another version or another program wrote it.
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
            computed_at: i64::from_be_bytes(number(1)?),
            fresh_until: i64::from_be_bytes(number(9)?),
            expires_at: i64::from_be_bytes(number(17)?),
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
    fn an_entry_reads_back_whole_and_a_truncated_one_reads_as_none() {
        let lifetime = Lifetime { fresh: Duration::from_secs(5), stale: Duration::from_secs(7) };
        for value in ["", "value"] {
            let entry =
                Entry::new(Bytes::from(value), lifetime, 1_000, vec![3, u64::MAX], Vec::new());
            let written = entry.write();
            assert_eq!(Entry::read(&written, &[]), Some(entry));
            for length in 0..HEAD + 16 {
                assert_eq!(Entry::read(&written.slice(..length), &[]), None, "{length}");
            }
        }
        assert_eq!(Entry::read(&Bytes::from_static(b"{\"another\": \"program\"}"), &[]), None);
    }

    #[test]
    fn freshness_follows_the_time_and_the_tags() {
        use Freshness::{Expired, Fresh, Stale};
        let lifetime =
            Lifetime { fresh: Duration::from_millis(10), stale: Duration::from_millis(5) };
        let entry = Entry::new(Bytes::new(), lifetime, 100, vec![1, 2], Vec::new());
        let freshness = [109, 110, 114, 115].map(|now| entry.freshness(now, &[1, 2]));
        assert_eq!(freshness, [Fresh, Stale, Stale, Expired]);
        assert_eq!(entry.freshness(100, &[1, 3]), Expired);
    }
}
