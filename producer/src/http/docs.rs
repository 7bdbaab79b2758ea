//! Pages for people: the API as one page, and one page for each problem.
//!
//! The page is written here from the OpenAPI description and runs no script. The common viewers
//! load theirs from another host, which needs a network, and would let that host's script call an
//! API that asks for no key.

use std::fmt::Write;

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::Value;

use super::{
    openapi,
    path::Path,
    problem::{Problem, ProblemKind},
};

/// Serves the page that a problem's `type` links to.
pub async fn problem(Path(word): Path<String>) -> Result<String, Problem> {
    ProblemKind::page(&word).ok_or_else(|| Problem::not_found("problem", &word))
}

/// Serves the API reference as one page.
pub async fn page() -> Response {
    let described: Value = serde_json::from_str(&openapi::document()).unwrap_or_default();
    let mut response = Html(write_page(&described)).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Spool: the HTTP surface</title>\
    <style>body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;\
    padding:0 1rem;color-scheme:light dark}code{font-size:.9em}h2{margin:2.5rem 0 0}\
    table{border-collapse:collapse;width:100%}td{border-top:1px solid #8884;\
    padding:.3rem .6rem .3rem 0;vertical-align:top}td:first-child{white-space:nowrap}</style>";

fn write_page(described: &Value) -> String {
    let mut page = String::from(HEAD);
    let info = &described["info"];
    let _ =
        write!(page, "<h1>{}</h1><p>{}</p>", shown(&info["title"]), shown(&info["description"]));
    page.push_str(
        "<p>The same for programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>",
    );
    for (path, methods) in described["paths"].as_object().into_iter().flatten() {
        for (method, call) in methods.as_object().into_iter().flatten() {
            write_call(&mut page, path, method, call);
        }
    }
    page.push_str("<h1>Shapes</h1>");
    for (name, schema) in described["components"]["schemas"].as_object().into_iter().flatten() {
        write_shape(&mut page, name, schema);
    }
    page
}

fn write_call(page: &mut String, path: &str, method: &str, call: &Value) {
    let _ = write!(page, "<h2><code>{} {}</code></h2>", method.to_uppercase(), escape(path));
    let _ =
        write!(page, "<p>{} {}</p><table>", shown(&call["summary"]), shown(&call["description"]));
    for parameter in call["parameters"].as_array().into_iter().flatten() {
        row(
            page,
            parameter["name"].as_str().unwrap_or_default(),
            &shown(&parameter["description"]),
        );
    }
    let body = &call["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        row(page, "body", &type_of(body));
    }
    for (status, response) in call["responses"].as_object().into_iter().flatten() {
        let content = response["content"].as_object().and_then(|content| content.values().next());
        let shape = content.map(|content| type_of(&content["schema"])).unwrap_or_default();
        row(page, status, &format!("{shape} {}", shown(&response["description"])));
    }
    page.push_str("</table>");
}

fn write_shape(page: &mut String, name: &str, schema: &Value) {
    let _ = write!(
        page,
        "<h2 id=\"{0}\"><code>{0}</code></h2><p>{1}</p><table>",
        escape(name),
        shown(&schema["description"])
    );
    for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
        row(page, member, &format!("{} {}", type_of(schema), shown(&schema["description"])));
    }
    page.push_str("</table>");
}

fn row(page: &mut String, name: &str, html: &str) {
    let _ = write!(page, "<tr><td><code>{}</code><td>{html}", escape(name));
}

/// A schema's type as a word or a link, in HTML.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = escape(name);
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    let alternatives = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let joined = |types: Vec<String>| types.join(" or ");
    match (&schema["type"], alternatives) {
        (_, Some(alternatives)) => joined(alternatives.iter().map(type_of).collect()),
        (Value::Array(types), None) => joined(types.iter().map(shown).collect()),
        (Value::String(kind), None) if kind == "array" => {
            format!("list of {}", type_of(&schema["items"]))
        }
        (kind, None) => shown(kind),
    }
}

fn shown(value: &Value) -> String {
    let text = escape(value.as_str().unwrap_or_default());
    // Words in backquotes are code, as in Markdown.
    text.split('`')
        .enumerate()
        .map(
            |(index, part)| {
                if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }
            },
        )
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_call_and_every_shape_and_runs_nothing() {
        let described: Value = serde_json::from_str(&openapi::document()).expect("json");
        let page = write_page(&described);
        for path in described["paths"].as_object().expect("paths").keys() {
            assert!(page.contains(&escape(path)), "{path}");
        }
        for name in described["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
        assert!(!page.contains("<script"));
    }

    #[test]
    fn text_of_a_description_can_not_become_markup() {
        assert_eq!(shown(&Value::from("a `b<c>` & d")), "a <code>b&lt;c&gt;</code> &amp; d");
    }
}
