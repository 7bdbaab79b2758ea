//! Checks the dependencies between members against those that Cargo resolves.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All crates in a member's normal dependencies, including the member.
fn tree(member: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{lib}",
            "-p",
            member,
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned())
        .collect()
}

#[test]
fn common_and_composition_have_no_crate_that_does_io() {
    let io = [
        "tokio",
        "mio",
        "socket2",
        "hyper",
        "reqwest",
        "axum",
        "sqlx",
        "lapin",
        "redis",
        "object_store",
        "ffmpeg_next",
        "ffmpeg_sys_next",
        "async_std",
        "rustix",
        "nix",
        "tempfile",
        "notify",
    ];
    for member in ["common", "composition"] {
        let tree = tree(member);
        assert!(tree.contains("serde_json"), "the tree was not read: {tree:?}");
        let found: Vec<_> = io.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{member} must do no I/O, but depends on {found:?}");
    }
}

#[test]
fn members_import_only_allowed_members() {
    let rules: [(&str, &[&str]); 6] = [
        ("common", &[]),
        ("composition", &["common"]),
        ("backing", &["common"]),
        ("media", &["common", "composition"]),
        ("producer", &["common", "composition", "backing"]),
        ("worker", &["common", "composition", "backing", "media"]),
    ];
    let members: BTreeSet<&str> = rules.iter().map(|(member, _)| *member).collect();
    for (member, allowed) in rules {
        let tree = tree(member);
        let wrong: Vec<_> = members
            .iter()
            .filter(|other| **other != member && tree.contains(**other) && !allowed.contains(other))
            .collect();
        assert!(wrong.is_empty(), "{member} imports {wrong:?}, and may import only {allowed:?}");
    }
}
