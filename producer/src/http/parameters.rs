//! Parameters that many calls share, read and described once.

use std::str::FromStr;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::Response,
};
use serde::Serialize;
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        Object, Required, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::{answer::Document, fields::FieldSelection, problem::Problem, query::Params};

const KNOWN_TAG: &str = "The `ETag` of what the caller has already.";

/// The page of a list that a request asks for.
#[derive(Debug, Clone)]
pub struct PageParams {
    pub limit: u32,
    pub headers: HeaderMap,
    params: Params,
}

impl PageParams {
    /// Parses `nextCursor` of the page before.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        self.params.parsed("cursor", "a cursor: give `nextCursor` of the page before")
    }

    /// The selected members of each item.
    pub fn fields(&self) -> Result<FieldSelection, Problem> {
        self.params.fields()
    }

    /// Returns whether the request states the size of the page.
    pub fn has_limit(&self) -> bool {
        self.params.text("limit").is_some()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(params) = Params::from_request_parts(parts, state).await;
        Ok(Self { limit: params.limit()?, headers: parts.headers.clone(), params })
    }
}

impl IntoParams for PageParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let size = "Items of the page: 20 unless said, at most 100.";
        let mut limit = described(ParameterIn::Query, "limit", size);
        limit.schema = Some(u32::schema());
        vec![
            described(ParameterIn::Query, "cursor", "`nextCursor` of the page before."),
            limit,
            described(ParameterIn::Query, "fields", "Only these members of each item."),
            described(ParameterIn::Header, "If-None-Match", KNOWN_TAG),
        ]
    }
}

/// The form in which a request wants one resource.
#[derive(Debug, Clone)]
pub struct ReadParams {
    fields: FieldSelection,
    pub headers: HeaderMap,
}

impl ReadParams {
    /// The selected fields of `value`.
    pub fn document(&self, value: &impl Serialize) -> Result<Document, Problem> {
        Document::cut(value, &self.fields)
    }

    /// Answers with the selected fields of `value`, or 304 if the caller has them already.
    pub fn answer(&self, value: &impl Serialize) -> Result<Response, Problem> {
        Ok(self.document(value)?.conditional(&self.headers))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ReadParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(params) = Params::from_request_parts(parts, state).await;
        Ok(Self { fields: params.fields()?, headers: parts.headers.clone() })
    }
}

impl IntoParams for ReadParams {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let fields = "Only these members, such as `id,status,result.url`.";
        vec![
            described(ParameterIn::Query, "fields", fields),
            described(ParameterIn::Header, "If-None-Match", KNOWN_TAG),
        ]
    }
}

/// Describes a text parameter. Only parameters of the path are required.
pub fn described(place: ParameterIn, name: &str, description: &str) -> Parameter {
    let required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(Object::with_type(Type::String)))
        .build()
}
