//! The migrations of both stores: which files there are, and which of them a database lacks.
//!
//! A file of `schema/` is applied once, in the order of the names, and never edited afterwards: a
//! change is a new file. A file of `functions/` holds one function and is applied again whenever
//! its text or a bound in it changed. The order is `functions/triggers/`, `schema/`, then the other
//! functions by folder and name: a schema's triggers name trigger functions, which depend on
//! nothing, and the other functions name the schema's types. The bodies of functions are not
//! checked while they are made, so their order among themselves is free.
//!
//! Older programs go on working on a database that a newer one migrated. So a function keeps its
//! arguments and its meaning, and gets a new name when those change; and a schema file that an
//! older program cannot live with raises `schema_major`.

use std::collections::{BTreeMap, BTreeSet};

use common::id::Digest;

/// The files of both stores, as name and text.
mod files {
    include!(concat!(env!("OUT_DIR"), "/migrations.rs"));
}
pub use files::{POSTGRES, SQLITE};

/// The major version of the schemas that this program works on.
pub const MAJOR: i32 = 1;

/// A file, with its bounds filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The path below the store's folder, such as `schema/0001_baseline.sql`.
    pub name: &'static str,
    /// The text to execute.
    pub sql: String,
    /// The BLAKE3 hash of the text, in hexadecimal.
    pub checksum: String,
}

impl Migration {
    /// Returns whether this is a schema file and not a function.
    pub fn is_schema(&self) -> bool {
        is_schema(self.name)
    }
}

fn is_schema(name: &str) -> bool {
    name.starts_with("schema/")
}

/// The contents of a database's table of migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The checksum of each file's newest application.
    newest: BTreeMap<String, String>,
    /// Every file and checksum that was ever applied.
    ever: BTreeSet<(String, String)>,
}

impl Applied {
    /// Takes the table's names and checksums, oldest application first.
    pub fn of(rows: Vec<(String, String)>) -> Self {
        Self { newest: rows.iter().cloned().collect(), ever: rows.into_iter().collect() }
    }
}

/// The files of one store, in the order in which they are applied.
#[derive(Debug, Clone)]
pub struct Migrations(Vec<Migration>);

impl Migrations {
    /// Fills `bounds` into files: `{{NAME}}` in a text becomes the value of `NAME`.
    pub fn of(files: &[(&'static str, &str)], bounds: &[(&str, String)]) -> Self {
        let filled = |text: &str| {
            bounds.iter().fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{{{name}}}}}"), value)
            })
        };
        let mut all: Vec<Migration> = files
            .iter()
            .map(|(name, text)| {
                let sql = filled(text);
                Migration { name, checksum: Digest::of(sql.as_bytes()).to_string(), sql }
            })
            .collect();
        all.sort_by_key(|migration| (phase(migration.name), migration.name));
        Self(all)
    }

    /// The files to apply to a database, or the sentence that says why it is refused.
    pub fn pending(&self, applied: &Applied) -> Result<Vec<&Migration>, String> {
        for file in self.0.iter().filter(|file| file.is_schema()) {
            if applied.newest.get(file.name).is_some_and(|checksum| *checksum != file.checksum) {
                return Err(format!(
                    "the schema file {} was edited after it was applied: restore it, and put the \
                     change in a new file",
                    file.name
                ));
            }
        }
        // A newer program's functions may name what only its own schema has.
        let newer = applied
            .newest
            .keys()
            .any(|name| is_schema(name) && self.0.iter().all(|file| file.name != name));
        let lacking = |file: &&Migration| match applied.newest.get(file.name) {
            None => true,
            Some(checksum) => !newer && *checksum != file.checksum,
        };
        Ok(self.0.iter().filter(lacking).collect())
    }

    /// Refuses a database that this program cannot work on, in one sentence.
    ///
    /// A function that was replaced by a newer program's is no reason; one that was never as this
    /// program has it is, for then `spool migrate` was forgotten.
    pub fn check(&self, applied: &Applied) -> Result<(), String> {
        let pending = self.pending(applied)?;
        let missing = pending
            .iter()
            .filter(|file| !applied.ever.contains(&(file.name.to_owned(), file.checksum.clone())))
            .count();
        match missing {
            0 => Ok(()),
            missing => Err(format!(
                "the database lacks {missing} of {} migrations: run `spool migrate`",
                self.0.len()
            )),
        }
    }
}

fn phase(name: &str) -> u8 {
    match name {
        name if name.starts_with("functions/triggers/") => 0,
        name if is_schema(name) => 1,
        _ => 2,
    }
}

/// The state of a database's schema, as the adapter read it.
#[derive(Debug)]
pub struct Found {
    pub has_schema: bool,
    /// The table of migrations, if there is one.
    pub applied: Option<Applied>,
    pub major: i32,
}

impl Found {
    /// The files to apply, or the sentence that says why the database is refused.
    pub fn pending<'m>(&self, migrations: &'m Migrations) -> Result<Vec<&'m Migration>, String> {
        migrations.pending(&self.known()?)
    }

    /// Refuses a database that this program cannot work on, in one sentence.
    pub fn check(&self, migrations: &Migrations) -> Result<(), String> {
        migrations.check(&self.known()?)
    }

    /// The applied files. Refuses a schema of the old numbering and one of a later major version.
    fn known(&self) -> Result<Applied, String> {
        if self.major > MAJOR {
            return Err(format!(
                "its schema has version {} and this program knows version {MAJOR}: run a newer \
                 spool",
                self.major
            ));
        }
        match &self.applied {
            Some(applied) => Ok(applied.clone()),
            None if self.has_schema => Err(OLD_NUMBERING.to_owned()),
            None => Ok(Applied::default()),
        }
    }
}

/// Why a database without a table of migrations, but with a schema, is refused.
const OLD_NUMBERING: &str = "its schema was made by a spool from before the first release, \
     which can't be brought up to date: use a new database";

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[(&str, &str)] = &[
        ("functions/reads/list.sql", "list up to {{PAGE}}"),
        ("functions/triggers/on_insert.sql", "trigger"),
        ("schema/0001_baseline.sql", "tables"),
        ("schema/0002_more.sql", "more tables"),
    ];

    fn with_page(page: u32) -> Migrations {
        Migrations::of(FILES, &[("PAGE", page.to_string())])
    }

    fn applied(migrations: &Migrations) -> Applied {
        Applied::of(rows(migrations))
    }

    fn rows(migrations: &Migrations) -> Vec<(String, String)> {
        migrations.0.iter().map(|file| (file.name.to_owned(), file.checksum.clone())).collect()
    }

    fn names(pending: Vec<&Migration>) -> Vec<&str> {
        pending.into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn a_new_database_gets_trigger_functions_then_the_schema_then_the_other_functions() {
        let order = [
            "functions/triggers/on_insert.sql",
            "schema/0001_baseline.sql",
            "schema/0002_more.sql",
            "functions/reads/list.sql",
        ];
        let migrations = with_page(10);
        assert_eq!(names(migrations.pending(&Applied::default()).expect("allowed")), order);
        assert_eq!(migrations.0[3].sql, "list up to 10");
        assert_eq!(migrations.pending(&applied(&migrations)), Ok(Vec::new()));
    }

    #[test]
    fn a_function_is_applied_again_when_a_bound_in_it_changed_and_when_it_changed_back() {
        let (ten, twenty) = (with_page(10), with_page(20));
        let pending = twenty.pending(&applied(&ten)).expect("allowed");
        assert_eq!(names(pending), ["functions/reads/list.sql"]);
        let both = Applied::of([rows(&ten), rows(&twenty)].concat());
        assert_eq!(names(ten.pending(&both).expect("allowed")), ["functions/reads/list.sql"]);
    }

    #[test]
    fn a_program_asks_for_the_migration_of_its_own_functions_and_accepts_newer_ones() {
        let (ten, twenty) = (with_page(10), with_page(20));
        let refused = twenty.check(&applied(&ten)).expect_err("the database is older");
        assert!(refused.contains("lacks 1 of 4") && refused.contains("spool migrate"), "{refused}");
        let both = Applied::of([rows(&ten), rows(&twenty)].concat());
        assert_eq!(ten.check(&both), Ok(()), "the database is newer");
        assert_eq!(twenty.check(&both), Ok(()));
    }

    #[test]
    fn an_edited_schema_file_is_refused_by_its_name() {
        let migrations = with_page(10);
        let mut rows = rows(&migrations);
        rows[2].1 = "another".to_owned();
        let refused = migrations.pending(&Applied::of(rows)).expect_err("it was edited");
        assert!(refused.contains("schema/0002_more.sql was edited"), "{refused}");
    }

    #[test]
    fn the_functions_of_a_newer_schema_are_left_alone() {
        let (ten, twenty) = (with_page(10), with_page(20));
        let mut rows = [rows(&ten), rows(&twenty)].concat();
        rows.push(("schema/0003_later.sql".to_owned(), "later".to_owned()));
        assert_eq!(ten.pending(&Applied::of(rows)), Ok(Vec::new()));
    }

    #[test]
    fn every_file_has_a_place_in_the_order_and_no_schema_file_names_a_bound() {
        for (name, text) in POSTGRES.iter().chain(SQLITE) {
            let known = is_schema(name) || name.starts_with("functions/");
            assert!(known, "{name} is neither in schema/ nor in functions/");
            assert!(!is_schema(name) || !text.contains("{{"), "{name} names a bound");
        }
    }
}
