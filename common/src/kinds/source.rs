//! `source`: brings a file that an input names to where workers can reach it by the hash of its content, and looks at what it is.
//!
//! Never memoised: the outside world may have changed. What stands behind it is keyed by content, so an unchanged source costs a look.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read;
use crate::{fault::Fault, id::Digest, kind::KindSpec, queue::Queue, retry::RetryPolicy};

/// The stored name.
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
    grow: None,
};

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceInput {
    /// An `http`, `https` or `file` URL, a path below an allowed folder, or `artifact://` and the hash of what a task made.
    pub src: String,
    /// What it is taken for.
    #[serde(default)]
    pub taken_for: TakenFor,
}

/// What a fetched file is taken for, which says how its facts are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TakenFor {
    /// Pictures or sound: probed.
    #[default]
    Media,
    /// SRT, VTT or ASS: its facts hold its text.
    Subtitles,
    /// A font: its facts hold the names of its faces.
    Font,
    /// A `.cube` table: read to its end, and known by its hash.
    Lut,
}

/// What is known of it once it is here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceOutput {
    /// The hash of its content, under which it is an artifact.
    pub artifact: Digest,
    /// Its size in bytes.
    pub bytes: u64,
    /// What the probe said: `composition::plan::Facts` as JSON.
    pub facts: Value,
}

/// The longest `src`: what browsers and servers commonly bear.
const MAX_SRC_BYTES: usize = 8 * 1024;

/// The scheme of what another task made: `artifact://` and the hash of its content.
pub const ARTIFACT: &str = "artifact";

/// Reads `{"src": …}`, refusing what can't name a file.
pub fn parse(input: &Value) -> Result<SourceInput, Vec<Fault>> {
    let source: SourceInput = read(input)?;
    check_src(&source.src).map_err(|detail| vec![Fault::new("/src", detail)])?;
    Ok(source)
}

/// What is wrong with a `src`, if anything; whether it can be reached shows only when it is fetched.
pub fn check_src(src: &str) -> Result<(), String> {
    if src.is_empty() {
        return Err("is empty: give an https URL, or a path below an allowed folder".into());
    }
    if src.len() > MAX_SRC_BYTES {
        return Err(format!("is {} bytes long: at most {MAX_SRC_BYTES}", src.len()));
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
    fn a_src_is_a_url_we_speak_or_a_path() {
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
