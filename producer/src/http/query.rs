//! Query parameters and the headers that go with them, each parsed once, with an error that names
//! it.

use std::{collections::BTreeMap, convert::Infallible, fmt::Display, str::FromStr, time::Duration};

use axum::{
    extract::{FromRequestParts, Query},
    http::{HeaderMap, HeaderName, request::Parts},
};
use common::limits::{MAX_PAGE, MAX_WAIT, PAGE};

use super::{
    fields::FieldSelection,
    problem::{Problem, ProblemKind},
};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The parameters of a query. Of a repeated one the last counts; an unknown one is ignored.
#[derive(Debug, Clone, Default)]
pub struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Form decoding accepts any bytes, so this never fails.
        let pairs =
            Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        Ok(Self(pairs.unwrap_or_default().into_iter().collect()))
    }
}

impl Params {
    /// A parameter's text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A parameter that is compared with stored words, which hold no control characters.
    pub fn word(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.text(name) {
            Some(text) if text.contains(char::is_control) => {
                Err(refused(name, text.escape_default(), "a word: it holds control characters"))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// A parsed parameter; `expected` completes the sentence that refuses it.
    pub fn parsed<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| refused(name, text, expected)))
            .transpose()
    }

    /// `?limit=`: the size of a page, at most the largest size.
    pub fn limit(&self) -> Result<u32, Problem> {
        let expected = "a whole number of 1 or more, of which 100 are the most that a page holds";
        match self.parsed::<u32>("limit", expected)? {
            None => Ok(PAGE as u32),
            Some(0) => Err(refused("limit", "0", expected)),
            Some(limit) => Ok(limit.min(MAX_PAGE as u32)),
        }
    }

    /// `?fields=`: the selected members of an answer.
    pub fn fields(&self) -> Result<FieldSelection, Problem> {
        FieldSelection::parse(self.text("fields").unwrap_or_default())
    }

    /// `?wait=`, or else `Prefer: wait=`: how long the answer may be held, at most the longest
    /// wait.
    pub fn wait(&self, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
        let seconds = match self.parsed::<u64>("wait", "a whole number of seconds")? {
            Some(seconds) => Some(seconds),
            None => preferred(headers)?,
        };
        Ok(seconds.map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT)))
    }
}

/// Refuses a parameter.
pub fn refused(name: &str, text: impl Display, expected: &str) -> Problem {
    let text: String = text.to_string().chars().take(80).collect();
    Problem::new(ProblemKind::InvalidQuery, format!("`{name}={text}` is not {expected}"))
}

/// `wait` among the preferences of RFC 7240: separated by commas, their parameters by semicolons.
fn preferred(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let wait = values.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    });
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            let text: String = text.chars().take(80).collect();
            Problem::new(
                ProblemKind::InvalidHeader,
                format!("`Prefer: wait={text}` is not a whole number of seconds"),
            )
        })
    };
    wait.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("/x?{query}").parse().expect("a uri");
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).expect("pairs");
        Params(pairs.into_iter().collect())
    }

    #[test]
    fn a_limit_is_capped_and_nonsense_is_refused() {
        let limit = |query| params(query).limit().ok();
        assert_eq!(limit(""), Some(20));
        assert_eq!(limit("limit=7"), Some(7));
        assert_eq!(limit("limit=5000"), Some(100));
        assert_eq!(limit("limit=20&limit=3"), Some(3));
        for bad in ["limit=0", "limit=-1", "limit=x", "limit=1.5"] {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wait_is_a_parameter_or_a_preference_and_is_capped() {
        let wait = |query, prefer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, prefer.parse().expect("a header"));
            params(query).wait(&headers).map(|wait| wait.map(|wait| wait.as_secs())).ok()
        };
        assert_eq!(wait("", ""), Some(None));
        assert_eq!(wait("wait=5", "wait=9"), Some(Some(5)));
        assert_eq!(wait("", "respond-async, wait=9"), Some(Some(9)));
        assert_eq!(wait("", "Wait=\"9\"; x=1"), Some(Some(9)));
        assert_eq!(wait("wait=600", ""), Some(Some(25)));
        assert_eq!(wait("wait=soon", ""), None);
        assert_eq!(wait("", "wait=soon"), None);
    }
}
