//! Lists: one page as a document, or every item as a stream of JSON lines.

use std::{io, str::FromStr};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use common::{limits::MAX_PAGE, view::Page};
use futures::stream::{self, StreamExt};
use serde::Serialize;

use super::{
    answer::Document,
    fields::FieldSelection,
    parameters::PageParams,
    problem::{Problem, ProblemKind},
};

/// The media type of JSON values that are separated by line breaks.
pub const JSON_LINES: &str = "application/x-ndjson";

/// Answers a list. `read` returns the page of a cursor and of a greatest size, and `document` makes
/// a page what a client sees; its member `list` holds the items.
///
/// A caller that accepts [`JSON_LINES`] gets every item from the cursor on, one a line, and the
/// server holds one page of them at once. If a later page can't be read, the answer is cut off, and
/// its transfer fails.
pub async fn answer<C, T, D, F>(
    params: &PageParams,
    list: &str,
    read: impl Fn(Option<C>, u32) -> F + Send + 'static,
    document: impl FnOnce(Page<T>) -> D,
) -> Result<Response, Problem>
where
    C: FromStr + Send + 'static,
    T: Serialize + Send + 'static,
    D: Serialize,
    F: Future<Output = Result<Page<T>, Problem>> + Send + 'static,
{
    let mut response = if accepts_lines(&params.headers) {
        let fields = params.fields()?;
        if params.has_limit() {
            let detail = format!("`limit` is of a page, and {JSON_LINES} has none: leave it out");
            return Err(Problem::new(ProblemKind::InvalidQuery, detail));
        }
        lines(params.cursor()?, fields, read).await?
    } else {
        let page = document(read(params.cursor()?, params.limit).await?);
        Document::cut(&page, &params.fields()?.in_page(list))?.conditional(&params.headers)
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// The first page is read before the answer begins, so that its error has a status.
async fn lines<C, T, F>(
    cursor: Option<C>,
    fields: FieldSelection,
    read: impl Fn(Option<C>, u32) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    C: FromStr + Send + 'static,
    T: Serialize + Send + 'static,
    F: Future<Output = Result<Page<T>, Problem>> + Send + 'static,
{
    let first = Ok(read(cursor, MAX_PAGE as u32).await?);
    let state = (Some(first), read, fields);
    let pages = stream::unfold(state, async |(page, read, fields)| {
        let page: Page<T> = match page? {
            Ok(page) => page,
            Err(problem) => return Some((Err(cut_off(problem)), (None, read, fields))),
        };
        let written = write_lines(&page.items, &fields);
        let next = match page.next.and_then(|next| next.parse().ok()) {
            Some(cursor) if written.is_ok() => Some(read(Some(cursor), MAX_PAGE as u32).await),
            _ => None,
        };
        Some((written.map_err(cut_off), (next, read, fields)))
    });
    // A page may be empty and have a next one.
    let pages = pages.filter(|page| {
        std::future::ready(page.as_ref().map_or(true, |lines: &Bytes| !lines.is_empty()))
    });
    let lines = [(header::CONTENT_TYPE, JSON_LINES), (header::CACHE_CONTROL, "no-store")];
    Ok((lines, Body::from_stream(pages)).into_response())
}

fn write_lines(items: &[impl Serialize], fields: &FieldSelection) -> Result<Bytes, Problem> {
    let mut lines = Vec::new();
    for item in items {
        lines.extend_from_slice(&Document::cut(item, fields)?.into_body());
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// Ends the transfer as incomplete.
fn cut_off(problem: Problem) -> io::Error {
    tracing::warn!(?problem, "a list was cut off");
    io::Error::other("the list is cut off")
}

/// Returns whether `Accept` names JSON lines, and no JSON document before them.
fn accepts_lines(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values
        .flat_map(|value| value.split(','))
        .map(|accepted| accepted.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    types.find(|accepted| [JSON_LINES, "application/json"].contains(&accepted.as_str()))
        == Some(JSON_LINES.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_to_those_who_name_them_first() {
        let accepts = |accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accepted.parse().expect("a header"));
            accepts_lines(&headers)
        };
        for lines in [
            "application/x-ndjson",
            "Application/X-NDJSON; q=0.9",
            "*/*, application/x-ndjson",
            "application/x-ndjson, application/json",
        ] {
            assert!(accepts(lines), "{lines}");
        }
        for document in ["*/*", "application/json", "application/json, application/x-ndjson", ""] {
            assert!(!accepts(document), "{document}");
        }
    }
}
