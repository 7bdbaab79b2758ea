//! Query parameters and the headers that go with them, each parsed once, with an error that names
//! it.

use std::{collections::BTreeMap, convert::Infallible, fmt::Display, str::FromStr, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use common::limits::{MAX_PAGE, MAX_WAIT, PAGE};

use super::{
    fields::FieldSelection,
    middleware::known_parameters::pairs,
    problem::{Problem, ProblemKind},
};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The parameters of a query. Unknown and repeated ones are refused before this is read.
#[derive(Debug, Clone, Default)]
pub struct Params(BTreeMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(pairs(&parts.uri).into_iter().collect()))
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

    /// `?limit=`: the size of a page.
    pub fn limit(&self) -> Result<u32, Problem> {
        let expected =
            format!("a whole number from 1 to {MAX_PAGE}: `nextCursor` leads to the next page");
        match self.parsed::<u32>("limit", &expected)? {
            None => Ok(PAGE as u32),
            Some(limit) if (1..=MAX_PAGE as u32).contains(&limit) => Ok(limit),
            Some(limit) => Err(refused("limit", limit, &expected)),
        }
    }

    /// `?fields=`: the selected members of an answer.
    pub fn fields(&self) -> Result<FieldSelection, Problem> {
        FieldSelection::parse(self.text("fields").unwrap_or_default())
    }

    /// `?wait=`, or else `Prefer: wait=`: how long the answer may be held. A preference is honoured
    /// as far as it can be (RFC 7240): at most for the longest wait.
    pub fn wait(&self, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
        let most = MAX_WAIT.as_secs();
        let expected = format!("a whole number of seconds, at most {most}");
        match self.parsed::<u64>("wait", &expected)? {
            Some(seconds) if seconds > most => Err(refused("wait", seconds, &expected)),
            Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
            None => Ok(preferred(headers)?.map(|wait| Duration::from_secs(wait).min(MAX_WAIT))),
        }
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
        Params(pairs(&uri).into_iter().collect())
    }

    #[test]
    fn a_limit_above_the_largest_page_and_nonsense_are_refused() {
        let limit = |query| params(query).limit().ok();
        assert_eq!(limit(""), Some(20));
        assert_eq!(limit("limit=7"), Some(7));
        assert_eq!(limit("limit=100"), Some(100));
        for bad in ["limit=101", "limit=100000", "limit=0", "limit=-1", "limit=x", "limit=1.5"] {
            assert_eq!(limit(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wait_is_a_parameter_or_a_preference_which_is_capped() {
        let wait = |query, prefer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, prefer.parse().expect("a header"));
            params(query).wait(&headers).map(|wait| wait.map(|wait| wait.as_secs())).ok()
        };
        assert_eq!(wait("", ""), Some(None));
        assert_eq!(wait("wait=5", "wait=9"), Some(Some(5)));
        assert_eq!(wait("", "respond-async, wait=9"), Some(Some(9)));
        assert_eq!(wait("", "Wait=\"9\"; x=1"), Some(Some(9)));
        assert_eq!(wait("", "wait=600"), Some(Some(25)));
        assert_eq!(wait("wait=26", ""), None);
        assert_eq!(wait("wait=soon", ""), None);
        assert_eq!(wait("", "wait=soon"), None);
    }
}
