//! `?fields=id,status,result.url`: only these members of an answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The selected members, as a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelection {
    /// Set if everything below is selected, in addition to any member.
    all: bool,
    members: BTreeMap<String, FieldSelection>,
}

impl FieldSelection {
    /// Reads `a,b.c`; an empty text selects everything. An unknown name is no fault and selects
    /// nothing.
    pub fn parse(text: &str) -> Self {
        let mut root = Self::default();
        for path in text.split(',').map(str::trim).filter(|path| !path.is_empty()) {
            let leaf = path
                .split('.')
                .fold(&mut root, |node, name| node.members.entry(name.to_owned()).or_default());
            leaf.all = true;
        }
        root.all = root.members.is_empty();
        root
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

    #[test]
    fn in_a_page_the_fields_are_those_of_its_items() {
        let page = json!({"jobs": [{"id": 1, "kind": "x"}], "nextCursor": "c"});
        assert_eq!(
            FieldSelection::parse("id").in_page("jobs").of(page.clone()),
            json!({"jobs": [{"id": 1}], "nextCursor": "c"})
        );
        assert_eq!(FieldSelection::parse("").in_page("jobs").of(page.clone()), page);
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
            assert_eq!(FieldSelection::parse(fields).of(value.clone()), selected, "{fields}");
        }
    }
}
