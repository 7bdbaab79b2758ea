//! The refusals that many calls share, described once for the surface's description.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response},
};

/// Of a call that brings work, before anyone looks at what the work is.
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

/// Of a call that names a thing.
pub struct Missing;

impl IntoResponses for Missing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(&[(404, "There is no such thing, or it is somebody else's.")])
    }
}

/// Of a call that takes parameters.
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
