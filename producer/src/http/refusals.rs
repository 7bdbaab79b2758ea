//! Refusals that many calls share, for the OpenAPI description.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response},
};

/// Refusals of a call that submits work, before the work is looked at.
pub struct NotWork;

impl IntoResponses for NotWork {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(&[
            (400, "Not JSON."),
            (413, "Too large."),
            (415, "Not declared as JSON."),
            (503, "The store is away, or too much waits."),
        ])
    }
}

/// Refusals of a call that names a resource.
pub struct Missing;

impl IntoResponses for Missing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(&[(404, "There is no such thing, or it is somebody else's.")])
    }
}

/// Refusals of a call that takes parameters.
pub struct BadParameter;

impl IntoResponses for BadParameter {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(&[(400, "A parameter is at fault.")])
    }
}

fn described(refusals: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let one = |(status, said): &(u16, &str)| {
        let response = ResponseBuilder::new()
            .description(*said)
            .content("application/problem+json", problem());
        (status.to_string(), response.build().into())
    };
    refusals.iter().map(one).collect()
}
