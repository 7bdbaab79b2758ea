//! Path parameters.

use std::fmt::Display;

use axum::{
    extract::{FromRequestParts, Path as Segments},
    http::request::Parts,
};
use common::{
    id::{BatchId, Digest, JobId, ScheduleId, TaskId, TenantId},
    limits::MAX_NAME_BYTES,
    queue::Queue,
};
use serde::de::DeserializeOwned;
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use super::{
    parameters::described,
    problem::{Problem, ProblemKind},
};

/// Path parameters as axum's extractor reads them. A path that it cannot read leads nowhere: 404.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Segments::<T>::from_request_parts(parts, state).await;
        read.map(|Segments(segments)| Self(segments)).map_err(|_| {
            let detail =
                format!("nothing is at `{}`: its escaped bytes are not UTF-8", parts.uri.path());
            Problem::new(ProblemKind::NotFound, detail)
        })
    }
}

/// The id in a request's path. A malformed id gets the same 404 as an unknown one.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: Resource> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segment) = Path::<String>::from_request_parts(parts, state).await?;
        T::parse(&segment).map(Self).ok_or_else(|| T::unknown(&segment))
    }
}

impl<T: Resource> IntoParams for Id<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![described(ParameterIn::Path, T::PARAMETER, &T::description())]
    }
}

/// The 404 for an id of the right form that names nothing.
pub fn missing<T: Resource + Display>(id: &T) -> Problem {
    T::unknown(&id.to_string())
}

/// A resource that one segment of a path identifies.
pub trait Resource: Sized {
    /// The resource in a sentence: "there is no job `7`".
    const NOUN: &'static str;
    /// The parameter's name in the routes.
    const PARAMETER: &'static str = "id";

    /// Describes the parameter.
    fn description() -> String {
        format!("The {}'s id.", Self::NOUN)
    }

    /// Reads a segment.
    fn parse(segment: &str) -> Option<Self>;

    /// The 404 for a segment that names nothing.
    fn unknown(segment: &str) -> Problem {
        Problem::not_found(Self::NOUN, segment)
    }
}

macro_rules! resources {
    ($($id:ty: $noun:literal,)*) => {
        $(impl Resource for $id {
            const NOUN: &'static str = $noun;

            fn parse(segment: &str) -> Option<Self> {
                segment.parse().ok()
            }
        })*
    };
}

resources! {
    JobId: "job",
    BatchId: "batch",
    TaskId: "task",
    ScheduleId: "schedule",
}

impl Resource for Digest {
    const NOUN: &'static str = "artifact";
    const PARAMETER: &'static str = "hash";

    fn description() -> String {
        "64 hex digits, as in a result's `artifact`.".to_owned()
    }

    fn parse(segment: &str) -> Option<Self> {
        segment.parse().ok()
    }
}

impl Resource for Queue {
    const NOUN: &'static str = "queue";
    const PARAMETER: &'static str = "queue";

    fn description() -> String {
        "`render`, `generate` or `light`.".to_owned()
    }

    fn parse(segment: &str) -> Option<Self> {
        Self::parse(segment)
    }

    fn unknown(segment: &str) -> Problem {
        Problem::none_of(Self::NOUN, segment, &Self::ALL.map(Self::as_str))
    }
}

impl Resource for TenantId {
    const NOUN: &'static str = "tenant";
    const PARAMETER: &'static str = "tenant";

    fn description() -> String {
        "The tenant's name. It need not have work yet.".to_owned()
    }

    fn parse(segment: &str) -> Option<Self> {
        is_name(segment).then(|| Self(segment.to_owned()))
    }

    fn unknown(segment: &str) -> Problem {
        Problem::not_found(Self::NOUN, &segment.escape_default().to_string())
    }
}

/// Returns whether the text can be a name. Control characters are refused: stores cannot hold a
/// NUL, and such names look alike.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.contains(char::is_control)
}
