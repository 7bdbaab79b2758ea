//! Refuses query parameters that a call does not have.
//!
//! A parameter that is ignored misleads: `?dryRun=true` would start the work. What a call knows is
//! what its OpenAPI description lists, so that a parameter cannot be read and not be described.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Query, Request, State},
    http::{Method, Uri},
    middleware::Next,
    response::{IntoResponse, Response},
};
use common::document::{list, nearest};
use utoipa::openapi::{
    OpenApi, RefOr,
    path::{Operation, ParameterIn, PathItem},
};

use crate::http::problem::{Problem, ProblemKind};

/// The names of the query parameters of each call, by path and method.
#[derive(Debug, Default)]
pub struct KnownParameters(BTreeMap<String, BTreeMap<Method, Vec<String>>>);

impl KnownParameters {
    /// Adds the calls of a description.
    pub fn add(mut self, described: &OpenApi) -> Self {
        let calls = |item: &PathItem| {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let named = |(method, call): (Method, &Option<Operation>)| {
                Some((method, query_parameters(call.as_ref()?)))
            };
            methods.into_iter().filter_map(named).collect()
        };
        self.0.extend(described.paths.paths.iter().map(|(path, item)| (path.clone(), calls(item))));
        self
    }

    /// Checks a query against the call. Pages that are not described have no parameters.
    fn check(&self, path: &str, method: &Method, uri: &Uri) -> Result<(), Problem> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let known = match self.0.get(path) {
            None => &[][..],
            Some(calls) => match calls.get(method) {
                Some(known) => known,
                // The router refuses the method.
                None => return Ok(()),
            },
        };
        let mut seen = BTreeSet::new();
        for (name, _) in pairs(uri) {
            if !known.contains(&name) {
                return Err(unknown(&name, known));
            }
            if !seen.insert(name.clone()) {
                return Err(refused(format!("`{name}` is given more than once: give it once")));
            }
        }
        Ok(())
    }
}

/// Decodes a query. Form decoding accepts any bytes, so this never fails.
pub fn pairs(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

fn query_parameters(call: &Operation) -> Vec<String> {
    let described = call.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    described
        .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
        .map(|parameter| parameter.name.clone())
        .collect()
}

fn unknown(name: &str, known: &[String]) -> Problem {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let remedy = match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "this call has none".to_owned(),
        None => format!("there are {}", list(&known)),
    };
    let name: String = name.chars().take(40).collect();
    refused(format!("the query parameter `{}` is not known here: {remedy}", name.escape_default()))
}

fn refused(detail: String) -> Problem {
    Problem::new(ProblemKind::InvalidQuery, detail)
}

/// Passes or refuses the request.
pub async fn layer(
    State(known): State<Arc<KnownParameters>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    match known.check(path, request.method(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
