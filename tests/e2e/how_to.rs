//! The pages of `docs/how-to`, and the README: every fenced command runs as it is written, on files
//! that `scripts/make-samples` makes.
//!
//! A fenced block with a file's name, as in "```json trim.json", is that file. A block of `sh` is
//! run, and must succeed and make every file that it names with `-o`.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::tempdir;

use crate::{
    dev_process::Dev,
    process::{run, spool},
};

macro_rules! pages {
    ($($test:ident = $page:literal),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                run_page(&project(concat!("docs/how-to/", $page, ".md")));
            }
        )*

        const PAGES: &[&str] = &[$($page),*];
    };
}

pages! {
    audiogram = "audiogram",
    blurred_frame = "blurred-frame",
    burn_subtitles = "burn-subtitles",
    captions = "captions",
    compress = "compress",
    convert = "convert",
    cross_fade = "cross-fade",
    ducking = "ducking",
    extract_sound = "extract-sound",
    gif = "gif",
    green_screen = "green-screen",
    join = "join",
    overlay = "overlay",
    replace_sound = "replace-sound",
    rotate = "rotate",
    side_by_side = "side-by-side",
    slideshow = "slideshow",
    speed = "speed",
    table = "table",
    thumbnail = "thumbnail",
    title = "title",
    topic_to_video = "topic-to-video",
    trim = "trim",
    vertical = "vertical",
    voice_over = "voice-over",
    watermark = "watermark",
}

#[test]
fn readme() {
    run_page(&project("README.md"));
}

#[test]
fn every_page_is_run_and_listed() {
    let folder = project("docs/how-to");
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    let pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
        .filter(|name| name != "README")
        .collect();
    assert_eq!(pages, PAGES.iter().map(|page| (*page).to_owned()).collect());
    assert!(pages.iter().all(|page| list.contains(&format!("({page}.md)"))), "{list}");
}

#[test]
fn every_example_is_complete_as_shipped_from_any_folder() {
    let elsewhere = tempdir().unwrap();
    let examples = fs::read_dir(project("examples")).unwrap();
    let compositions = examples
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    for composition in compositions {
        let mut command = spool();
        command.current_dir(&elsewhere).arg("check").arg(&composition);
        command.arg("--cache").arg(elsewhere.path().join("cache"));
        let output = run(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", composition.display());
    }
}

/// A path of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A fenced block: its language, the file's name if it has one, and its text.
struct Block {
    language: String,
    name: Option<String>,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(head)) => {
                let mut words = head.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                open = Some(Block { language, name: words.next(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

fn run_page(page: &Path) {
    let blocks = blocks(&fs::read_to_string(page).unwrap());
    let commands: Vec<&Block> =
        blocks.iter().filter(|block| block.language == "sh" && block.name.is_none()).collect();
    assert!(!commands.is_empty(), "{} runs nothing", page.display());
    let (folder, data) = (tempdir().unwrap(), tempdir().unwrap());
    copy_samples(folder.path());
    for block in &blocks {
        if let Some(name) = &block.name {
            fs::write(folder.path().join(name), &block.text).unwrap();
        }
    }
    let needs_server = commands
        .iter()
        .any(|block| ["spool submit", "spool batch"].iter().any(|call| block.text.contains(call)));
    let server = needs_server
        .then(|| Dev::start_with(data.path(), &["--allow", folder.path().to_str().unwrap()]));
    for block in commands {
        let mut shell = shell(&block.text, folder.path());
        if let Some(server) = &server {
            shell.env("SPOOL_SERVER", server.api.base());
        }
        let output = run(shell);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{}\n{said}", page.display(), block.text);
        for made in outputs(&block.text) {
            let path = folder.path().join(made);
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            assert!(length > 0, "{} did not make {made}:\n{said}", page.display());
        }
    }
}

/// A shell that finds the binary under test and keeps its cache in the folder.
fn shell(commands: &str, folder: &Path) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_spool")).parent().unwrap().to_owned();
    let rest = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([binary].into_iter().chain(env::split_paths(&rest))).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", commands]).current_dir(folder);
    shell.env("PATH", path).env("XDG_CACHE_HOME", folder.join("cache"));
    shell
}

fn outputs(commands: &str) -> impl Iterator<Item = &str> {
    let words: Vec<&str> = commands.split_whitespace().collect();
    let named = words.windows(2).filter(|pair| pair[0] == "-o").map(|pair| pair[1]);
    named.collect::<Vec<_>>().into_iter()
}

/// Copies the sample files, which the first test makes for all.
fn copy_samples(folder: &Path) {
    let samples = Path::new(env!("CARGO_TARGET_TMPDIR")).join("samples");
    let mut script = Command::new(project("scripts/make-samples"));
    script.arg(&samples);
    let made = run(script);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for entry in fs::read_dir(&samples).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
}
