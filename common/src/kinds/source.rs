//! `source`: fetches a file that an input refers to, stores it under the hash of its content, and
//! finds its facts.
//!
//! Never memoised: the file may have changed. The tasks after it are keyed by its content, so a
//! source that did not change costs only the fetch.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    document::{self, TextBounds, choice, object},
    fault::Fault,
    id::Digest,
    kind::KindSpec,
    queue::Queue,
    retry::RetryPolicy,
};

/// Stored name of the kind.
pub const NAME: &str = "source";

/// The kind; occurs only inside plans.
pub const SPEC: KindSpec = KindSpec {
    name: NAME,
    version: 1,
    queue: Queue::Light,
    timeout: Duration::from_secs(600),
    max_attempts: 3,
    retry: RetryPolicy::DEFAULT,
    provider: None,
    memo: false,
    plan: None,
    schema: None,
    grow: None,
};

/// `src` of an input.
pub const SRC: TextBounds = TextBounds::passing(check_src);

object! {
    /// Input of a `source` task or a `probe` job.
    #[derive(Eq)]
    pub struct SourceInput {
        /// An `http`, `https` or `file` URL, a path below an allowed folder, or `artifact://` and
        /// the hash of a task's output file.
        src: String = "src" within SRC,
        /// Use of the file.
        taken_for: TakenFor = "takenFor" default TakenFor::Media,
    }
}

choice! {
    /// Use of a fetched file, which decides how its facts are found.
    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub enum TakenFor {
        /// Pictures or sound: probed.
        #[default]
        Media = "media",
        /// SRT, VTT or ASS: its facts hold its text.
        Subtitles = "subtitles",
        /// A font: its facts hold the names of its faces.
        Font = "font",
        /// A `.cube` table: read to its end, and known by its hash.
        Lut = "lut",
    }
}

/// Output of a `source` task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceOutput {
    /// Hash of its content, under which it is an artifact.
    pub artifact: Digest,
    /// Size of the file.
    pub bytes: u64,
    /// Result of probing it: `composition::plan::Facts` as JSON.
    pub facts: Value,
}

/// Most bytes of a `src`: what browsers and servers commonly accept.
const MAX_SRC_BYTES: usize = 8 * 1024;

/// Scheme of a task's output file: `artifact://` and the hash of its content.
pub const ARTIFACT: &str = "artifact";

/// Reads an input. The error lists every fault.
pub fn parse(input: &Value) -> Result<SourceInput, Vec<Fault>> {
    document::read(input)
}

/// Checks that a `src` can name a file. Only fetching it shows whether it is there.
pub fn check_src(src: &str) -> Result<(), String> {
    if src.is_empty() {
        return Err("is empty: give an https URL, or a path below an allowed folder".into());
    }
    if src.len() > MAX_SRC_BYTES {
        return Err(format!("is {} bytes long: at most {MAX_SRC_BYTES} are taken", src.len()));
    }
    match src.split_once("://") {
        Some(("http" | "https" | "file", rest)) if !rest.is_empty() => Ok(()),
        Some((ARTIFACT, hash)) if hash.parse::<Digest>().is_ok() => Ok(()),
        Some((ARTIFACT, _)) => {
            Err("is not an artifact: give the hash as a result shows it, 64 hex digits".into())
        }
        Some((scheme, _)) => {
            Err(format!("`{}://` is not supported: use https, http or file", crop(scheme)))
        }
        None if src.contains('\0') => Err("holds a NUL byte: no path does".into()),
        None => Ok(()),
    }
}

fn crop(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_src_is_a_url_of_a_known_scheme_or_a_path() {
        for good in
            ["https://a/b.mp4", "http://a", "file:///tmp/a.mp4", "clips/a.mp4", "/tmp/a.mp4"]
        {
            assert_eq!(check_src(good), Ok(()), "{good}");
        }
        let artifact = format!("artifact://{}", "ab".repeat(32));
        assert_eq!(check_src(&artifact), Ok(()), "{artifact}");
        for bad in
            ["", "ftp://a/b", "concat://x", "https://", "a\0b", "artifact://ab", "artifact://../x"]
        {
            assert!(check_src(bad).is_err(), "{bad:?}");
        }
    }
}
