//! Embeds `migrations/` in the library: a list of file names and texts for each store.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../migrations");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut lists = String::new();
    for (store, constant) in [("postgres", "POSTGRES"), ("sqlite", "SQLITE")] {
        let folder = root.join(store).canonicalize()?;
        let mut files = Vec::new();
        find(&folder, &mut files)?;
        files.sort();
        lists += &format!("/// The files of `migrations/{store}`: name and text.\n");
        lists += &format!("pub const {constant}: &[(&str, &str)] = &[\n");
        for file in files {
            let name = file.strip_prefix(&folder)?.to_str().ok_or("a name is not UTF-8")?;
            lists += &format!("    ({name:?}, include_str!({:?})),\n", file.display().to_string());
        }
        lists += "];\n";
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("migrations.rs"), lists)?;
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    Ok(())
}
