//! The store's SQL repeats no bound of `common::limits`: they are arguments.

use std::{fs, path::Path};

use crate::store::{bounds, migrate::SQLITE};

/// The string literals of a Rust file's production code.
fn literals(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_sql_literal_repeats_a_bound_and_so_a_changed_lease_is_changed_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite");
    let mut texts: Vec<(String, String)> =
        SQLITE.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    for file in fs::read_dir(folder).expect("the folder of the store") {
        let path = file.expect("a file").path();
        let source = fs::read_to_string(&path).expect("a source file");
        texts.push((path.display().to_string(), literals(&source)));
    }
    let sql = |(_, text): &&(String, String)| text.contains("SELECT");
    assert!(texts.iter().filter(sql).count() > 10, "the literals are found");
    for (name, text) in texts {
        assert_eq!(bounds::repeated(&text), None, "in {name}");
    }
}
