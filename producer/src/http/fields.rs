//! `?fields=id,status,result.url`: only these members of an answer.

use std::collections::BTreeMap;

use common::limits::{MAX_FIELD_DEPTH, MAX_FIELDS};
use serde_json::{Map, Value};

use super::problem::{Problem, ProblemKind};

/// The selected members, as a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelection {
    /// Set if everything below is selected, in addition to any member.
    all: bool,
    members: BTreeMap<String, FieldSelection>,
}

impl FieldSelection {
    /// Reads `a,b.c`; an empty text selects everything. An unknown name is no fault and selects
    /// nothing. Number and depth are bounded, because the tree is walked and dropped recursively.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let mut root = Self::default();
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
        for (index, path) in paths.enumerate() {
            if index == MAX_FIELDS {
                let detail = format!(
                    "`fields` names more than {MAX_FIELDS} members: name fewer, or leave it out to \
                     get all"
                );
                return Err(Problem::new(ProblemKind::InvalidQuery, detail));
            }
            let names = path.split('.').count();
            if names > MAX_FIELD_DEPTH {
                let shown: String = path.chars().take(80).collect();
                let detail = format!(
                    "`fields={shown}` is {names} levels deep: at most {MAX_FIELD_DEPTH} are taken; \
                     name an outer member"
                );
                return Err(Problem::new(ProblemKind::InvalidQuery, detail));
            }
            let leaf = path
                .split('.')
                .fold(&mut root, |node, name| node.members.entry(name.to_owned()).or_default());
            leaf.all = true;
        }
        root.all = root.members.is_empty();
        Ok(root)
    }

    /// Applies the selection to each item of `list`, and keeps the page's `nextCursor`.
    pub fn in_page(self, list: &str) -> Self {
        if self.all {
            return self;
        }
        let cursor = Self { all: true, members: BTreeMap::new() };
        let members = [(list.to_owned(), self), ("nextCursor".to_owned(), cursor)].into();
        Self { all: false, members }
    }

    /// Returns whether everything is selected.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Returns the selected members of `value`; of a list, those of each item.
    pub fn of(&self, value: Value) -> Value {
        match value {
            _ if self.all => value,
            Value::Array(items) => items.into_iter().map(|item| self.of(item)).collect(),
            Value::Object(mut members) => {
                let member = |(name, selection): (&String, &Self)| {
                    Some((name.clone(), selection.of(members.remove(name)?)))
                };
                Value::Object(self.members.iter().filter_map(member).collect::<Map<_, _>>())
            }
            scalar => scalar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selection(text: &str) -> FieldSelection {
        FieldSelection::parse(text).expect("within the bounds")
    }

    #[test]
    fn in_a_page_the_fields_are_those_of_its_items() {
        let page = json!({"jobs": [{"id": 1, "kind": "x"}], "nextCursor": "c"});
        assert_eq!(
            selection("id").in_page("jobs").of(page.clone()),
            json!({"jobs": [{"id": 1}], "nextCursor": "c"})
        );
        assert_eq!(selection("").in_page("jobs").of(page.clone()), page);
    }

    #[test]
    fn only_selected_fields_are_in_the_answer() {
        let result = json!({"url": "u", "size": 2, "list": [{"a": 1, "b": 2}]});
        let value = json!({"id": 1, "status": "x", "result": result, "n": null});
        let cases = [
            ("", value.clone()),
            ("id, status", json!({"id": 1, "status": "x"})),
            ("result.url", json!({"result": {"url": "u"}})),
            ("result.url,result", json!({"result": value["result"]})),
            ("result,result.url", json!({"result": value["result"]})),
            ("result.list.a", json!({"result": {"list": [{"a": 1}]}})),
            ("id.x,n.y", json!({"id": 1, "n": null})),
            ("nope", json!({})),
        ];
        for (fields, selected) in cases {
            assert_eq!(selection(fields).of(value.clone()), selected, "{fields}");
        }
    }

    #[test]
    fn deep_paths_and_long_lists_are_refused() {
        let deep = |names: usize| vec!["a"; names].join(".");
        let many = |paths: usize| vec!["a"; paths].join(",");
        for good in [deep(MAX_FIELD_DEPTH), many(MAX_FIELDS)] {
            assert!(FieldSelection::parse(&good).is_ok(), "{good}");
        }
        for bad in [
            deep(MAX_FIELD_DEPTH + 1),
            deep(32_000),
            many(MAX_FIELDS + 1),
            ".".repeat(MAX_FIELD_DEPTH),
        ] {
            assert!(FieldSelection::parse(&bad).is_err(), "{}", bad.len());
        }
    }
}
