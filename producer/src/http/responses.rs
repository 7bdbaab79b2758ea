//! The answers that calls share, for the OpenAPI description: a handler names its own success and
//! one of these sets.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response},
};

const KNOWN: (u16, &str) = (304, "The caller has it already.");
const NOT_JSON: (u16, &str) = (400, "Not JSON, or a parameter or header is wrong.");
const BAD_PARAMETER: (u16, &str) = (400, "A parameter is wrong; the detail says which.");
const MISSING: (u16, &str) = (404, "There is no such thing, or it belongs to another tenant.");
const NOTHING_TO_RETRY: (u16, &str) =
    (409, "It is not final, or none of it failed or was cancelled.");
const TOO_LARGE: (u16, &str) = (413, "Too large.");
const NOT_DECLARED: (u16, &str) = (415, "Not declared as JSON.");
const REFUSED: (u16, &str) = (422, "Refused, and nothing was stored; every fault is in `errors`.");
const STORE_AWAY: (u16, &str) = (503, "The store is away.");
const OVERLOADED: (u16, &str) = (503, "The store is away, or too many tasks wait.");

macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident: [$($answer:expr),* $(,)?],)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    answers(&[$($answer),*])
                }
            }
        )*
    };
}

sets! {
    /// Problems of a call that posts work.
    SubmitAnswers: [NOT_JSON, TOO_LARGE, NOT_DECLARED, REFUSED, OVERLOADED],
    /// Problems of a call that posts anything else.
    PostAnswers: [NOT_JSON, TOO_LARGE, NOT_DECLARED, REFUSED, STORE_AWAY],
    /// Problems of a call whose answer lists the faults of its body.
    CheckAnswers: [NOT_JSON, TOO_LARGE, NOT_DECLARED, OVERLOADED],
    /// Problems of a call that changes a resource by its body.
    ChangeAnswers: [NOT_JSON, MISSING, TOO_LARGE, NOT_DECLARED, REFUSED, STORE_AWAY],
    /// Problems of a call that names a resource.
    NamedAnswers: [MISSING, STORE_AWAY],
    /// Problems of a call that retries a resource.
    RetryAnswers: [MISSING, NOTHING_TO_RETRY, STORE_AWAY],
    /// Problems of a call that reports on the whole server.
    ReportAnswers: [STORE_AWAY],
    /// Problems of a call that lists resources.
    ListAnswers: [KNOWN, BAD_PARAMETER, STORE_AWAY],
    /// Problems of a call that lists the parts of a resource.
    PartListAnswers: [KNOWN, BAD_PARAMETER, MISSING, STORE_AWAY],
    /// Answers of a call that reads a resource, beside the resource.
    ReadAnswers: [KNOWN, MISSING, STORE_AWAY],
    /// Answers of a call that reads a schema, beside the schema.
    SchemaAnswers: [KNOWN, (404, "No kind of job has this name.")],
    /// Answers of a call that reads an artifact, beside its bytes.
    ArtifactAnswers: [KNOWN, BAD_PARAMETER, MISSING, (416, "The range lies outside the artifact.")],
    /// Problems of a call that clears caches.
    ClearAnswers: [
        (400, "No tag or namespace is given, or no namespace has the name."),
        (503, "The view cache is away: this process is cleared, and the others are not notified."),
    ],
}

fn answers(answers: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = |(status, description): &(u16, &str)| {
        let mut response = ResponseBuilder::new().description(*description);
        if *status >= 400 {
            response = response.content("application/problem+json", problem());
        }
        (status.to_string(), response.build().into())
    };
    answers.iter().map(response).collect()
}
