//! Keeps the references of the documents equal to the declarations: `docs/compositions.md`, and a
//! page for each kind of job in `docs/kinds`.
//!
//! `SPOOL_DOCS=write cargo nextest run -p composition reference` writes them again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod schema_text;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use common::{
    kind::{Catalog, KindSpec},
    kinds::{self, echo},
};
use schema_text::{Elsewhere, Reference, wrapped};
use serde_json::Value;

const BEGIN: &str = "<!-- begin: written by composition/tests/reference -->\n";
const END: &str = "<!-- end -->\n";

/// A composition is described on a page of its own.
const COMPOSITION: Elsewhere =
    Elsewhere { definition: "Edit", link: "[composition](../compositions.md)" };

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// Compares the written part of a page with `text`, or writes it.
fn keep_current(name: &str, text: &str) {
    let path = document(name);
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where it begins");
    let (_, after) = rest.split_once(END).expect("the page marks where it ends");
    let current = format!("{before}{BEGIN}\n{text}\n{END}{after}");
    if env::var_os("SPOOL_DOCS").is_some_and(|value| value == "write") {
        fs::write(&path, current).unwrap();
        return;
    }
    let stale = "run `SPOOL_DOCS=write cargo nextest run -p composition reference`";
    assert!(page == current, "docs/{name} is not what the declarations say: {stale}");
}

fn catalog() -> Catalog {
    Catalog::new(&[kinds::ALL, composition::kinds::ALL, &[echo::SPEC]])
}

#[test]
fn the_reference_of_compositions_in_the_documents_is_current() {
    let text = Reference::new(&composition::schema(), None).text(true);
    keep_current("compositions.md", &text);
}

#[test]
fn the_reference_of_every_kind_in_the_documents_is_current() {
    for kind in catalog().jobs() {
        let schema = kind.schema.unwrap_or_else(|| panic!("{} has no schema", kind.name))();
        let input = match schema["$ref"] == format!("#/$defs/{}", COMPOSITION.definition) {
            true => "The input is a [composition](../compositions.md).\n".to_owned(),
            false => Reference::new(&schema, Some(COMPOSITION)).text(false),
        };
        let facts = wrapped("", &facts(kind)).join("\n");
        keep_current(&format!("kinds/{}.md", kind.name), &format!("{facts}\n\n{input}"));
    }
}

/// The bounds of a kind in a sentence.
fn facts(kind: &KindSpec) -> String {
    let reuse = match (kind.memo, kind.grow.is_some()) {
        (true, _) => "Equal inputs share one result.",
        (false, true) => "It runs each time; the tasks that it adds may be cached.",
        (false, false) => "It runs each time.",
    };
    let asks = kind.provider.map_or_else(String::new, |role| {
        format!(" It asks a provider of the role `{}`.", role.as_str())
    });
    format!(
        "Its task runs in the queue `{}`, at most {} seconds an attempt, in at most {} attempts. \
         {reuse}{asks}",
        kind.queue.as_str(),
        kind.timeout.as_secs(),
        kind.max_attempts
    )
}

#[test]
fn the_examples_on_the_page_of_every_kind_are_accepted() {
    for kind in catalog().jobs() {
        let page = fs::read_to_string(document(&format!("kinds/{}.md", kind.name))).unwrap();
        let examples: Vec<Value> = page
            .split("```json\n")
            .skip(1)
            .map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap())
            .collect();
        assert!(!examples.is_empty(), "{} has no example", kind.name);
        for example in examples {
            assert_eq!(example["kind"], kind.name, "{example}");
            let planned = kind.plan.unwrap()(&example["input"]);
            assert!(planned.is_ok(), "{}: {planned:?}", kind.name);
        }
    }
}

#[test]
fn every_kind_has_its_page_in_the_list_of_kinds() {
    let list = fs::read_to_string(document("kinds/README.md")).unwrap();
    for kind in catalog().jobs() {
        assert!(list.contains(&format!("({}.md)", kind.name)), "{}", kind.name);
    }
}
