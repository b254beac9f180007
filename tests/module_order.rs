//! Which module may name which: the direction of dependencies, held against the sources.
//!
//! A module under `src/` that stands in no row fails: decide where it belongs, and say so here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// `module → may name`, leaves first. A row may name only modules of rows above it, so that there is no circle.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("json", &[]),
    ("verdict", &["types"]),
    ("capture", &["types", "verdict"]),
    ("decode", &["types", "verdict", "capture"]),
    ("stream", &["types", "verdict", "decode"]),
    ("app", &["types", "json"]),
    ("rules", &["types", "json", "verdict"]),
    ("flow", &["types", "verdict", "decode", "stream", "app"]),
    ("workload", &["types", "flow"]),
    ("detect", &["types", "json", "verdict", "decode", "stream", "app", "rules", "flow"]),
    ("segment", &["types", "flow", "workload"]),
    (
        "output",
        &["types", "json", "verdict", "decode", "stream", "app", "rules", "flow", "workload", "detect"],
    ),
    ("keywords", &["types", "verdict", "decode", "stream", "app", "rules", "flow", "detect"]),
    ("protocols", &["types", "json", "verdict", "app", "rules", "detect", "output"]),
    ("signatures", &[]),
    ("config", ABOVE),
    ("engine", ABOVE),
    ("cli", ABOVE),
];

/// Every module of the rows above: what wires the rest together.
const ABOVE: &[&str] = &["*"];

/// Who may touch the world: files, sockets, clocks, threads, the environment. (Files are read where the configuration is.)
const TOUCHES_THE_WORLD: &[&str] = &["capture", "output", "workload", "config", "engine", "cli"];

/// What touching the world looks like in a source.
const WORLD: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "File::open",
    "File::create",
    "net::TcpStream",
    "net::UdpSocket",
    "net::UnixStream",
];

#[test]
fn no_module_names_another_that_it_may_not_know() {
    let rows: BTreeMap<&str, usize> = MAY_NAME.iter().enumerate().map(|(nth, row)| (row.0, nth)).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(&row) = rows.get(source.module.as_str()) else {
            wrong.push(format!("{}: no row for this module in tests/module_order.rs", source.path.display()));
            continue;
        };
        for (line, named) in names(&source.text, &source.inside) {
            let allowed = match MAY_NAME[row].1 {
                ABOVE => rows.get(named.as_str()).is_some_and(|other| *other < row),
                listed => listed.contains(&named.as_str()),
            };
            if named != source.module && !allowed {
                wrong.push(format!(
                    "{}:{line}: {} may not name {named}",
                    source.path.display(),
                    source.module
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_modules_at_the_edge_touch_the_world() {
    let mut wrong = Vec::new();
    for source in sources().filter(|source| !TOUCHES_THE_WORLD.contains(&source.module.as_str())) {
        for (nth, line) in source.text.lines().enumerate() {
            for word in WORLD.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {} names {word}", source.path.display(), nth + 1, source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_says_what_it_is() {
    for source in sources().filter(|source| source.path.ends_with("mod.rs")) {
        let text = fs::read_to_string(&source.path).expect("it can be read");
        assert!(text.starts_with("//! "), "{}: begins with what it does", source.path.display());
    }
}

#[test]
fn the_table_has_no_circle() {
    for (nth, (module, allowed)) in MAY_NAME.iter().enumerate() {
        for name in allowed.iter().filter(|name| **name != "*") {
            assert!(
                MAY_NAME[..nth].iter().any(|(above, _)| above == name),
                "{module}: {name} is not above it"
            );
        }
    }
}

#[test]
fn names_are_found_however_they_are_written() {
    let text = "\
use crate::types::Timestamp;
use crate::{json::JsonWriter, flow::{Flow, key::Key}, decode};
fn f(x: crate::detect::RuleSet) {} // crate::engine
/// [`crate::cli`]
use super::super::output::Summary;
use super::sibling;
";
    let found: Vec<_> = names(&code(text), &["stream", "session"].map(str::to_owned)).into_iter().collect();
    let expected = [(1, "types"), (2, "json"), (2, "flow"), (2, "decode"), (3, "detect"), (5, "output")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}

/// One file, its comments and its tests taken away.
struct Source {
    path: PathBuf,
    /// The module under `src/` it belongs to.
    module: String,
    /// The modules it is in, its own name last.
    inside: Vec<String>,
    text: String,
}

fn sources() -> impl Iterator<Item = Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty());
    files.sort();
    files.into_iter().filter_map(move |path| {
        let inside: Vec<String> = path
            .strip_prefix(&root)
            .ok()?
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .filter(|part| part != "mod")
            .collect();
        let module = inside.first()?.clone();
        // the binary and the list of modules may name everything; a file of tests may too
        if module == "main" || module == "lib" || ["tests", "testing"].contains(&inside.last()?.as_str()) {
            return None;
        }
        let text = code(&fs::read_to_string(&path).ok()?);
        Some(Source { path, module, inside, text })
    })
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Without comments, and without the module of tests, which stands last in a file. Lines keep their numbers.
fn code(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if line.trim() == "#[cfg(test)]" && rest.peek().is_some_and(|next| next.trim_start().contains("mod "))
        {
            break;
        }
        lines.push(line.split_once("//").map_or(line, |(before, _)| before));
    }
    lines.join("\n")
}

/// The top modules that a text names, with line numbers: `crate::x`, `crate::{x, y}`, and `super::` as far as the root.
fn names(text: &str, inside: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let to_root = "super::".repeat(inside.len());
    for prefix in ["crate::", to_root.as_str()] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let rest = &text[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => {
                    for (offset, item) in top_items(group) {
                        found.push((line_of(at + prefix.len() + 1 + offset), word(item.trim_start())));
                    }
                }
                None => found.push((line_of(at), word(rest))),
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty() && name != "super" && name != "self");
    found.sort_by_key(|(line, _)| *line);
    found
}

/// The parts of `a::b, c::{d, e}, f}…` up to the brace that closes it, with their places.
fn top_items(group: &str) -> Vec<(usize, &str)> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push((start, &group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push((start, &group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}
