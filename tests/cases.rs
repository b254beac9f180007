//! Whole-program cases: each folder of `tests/cases/` is a capture, rules, what must come of it, and a sentence why.
//!
//! `case.yaml`: `why` (a sentence), `pcap` (from the root of the project), `rules` (files of the folder; without them the
//! built-in signatures), `args` (further arguments), and one of `expect` (every alert of it: `{sid, count}`, no others) and
//! `silent: true` (no alert at all).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::binary::{alerts, run};
use super::support::{TempDir, root};

#[test]
fn every_case_comes_out_as_it_says() {
    let mut folders: Vec<PathBuf> = fs::read_dir(root("tests/cases"))
        .expect("tests/cases can be read")
        .map(|entry| entry.expect("tests/cases can be read").path())
        .collect();
    folders.sort();
    assert!(folders.len() >= 20, "{} cases", folders.len());
    let wrong: Vec<String> = folders.iter().filter_map(|folder| case(folder).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn case(folder: &Path) -> Result<(), String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(folder.join("case.yaml")).map_err(|error| format!("{name}: {error}"))?;
    let case: Value = serde_yaml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    for key in case.as_object().into_iter().flatten().map(|(key, _)| key) {
        if !["why", "pcap", "rules", "args", "expect", "silent"].contains(&key.as_str()) {
            return Err(format!("{name}: nothing is known of {key}"));
        }
    }
    if case["why"].as_str().is_none_or(|why| why.len() < 20) {
        return Err(format!("{name}: why?"));
    }
    let expected: BTreeMap<u64, u64> = match (&case["expect"], &case["silent"]) {
        (Value::Null, Value::Bool(true)) => BTreeMap::new(),
        (Value::Array(rows), Value::Null) if !rows.is_empty() => rows
            .iter()
            .map(|row| Some((row["sid"].as_u64()?, row["count"].as_u64()?)))
            .collect::<Option<_>>()
            .ok_or(format!("{name}: expect wants rows of {{sid, count}}"))?,
        _ => return Err(format!("{name}: one of expect and silent")),
    };

    let out = TempDir::new(&format!("case-{name}"));
    let mut arguments = vec!["replay".to_owned(), "-l".to_owned(), out.path().display().to_string()];
    for rules in case["rules"].as_array().into_iter().flatten() {
        let path = folder.join(rules.as_str().unwrap_or_default());
        arguments.extend(["-S".to_owned(), path.display().to_string()]);
    }
    arguments
        .extend(case["args"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    arguments.push(root(case["pcap"].as_str().unwrap_or_default()).display().to_string());
    let ran = run(out.path(), &arguments);
    if ran.status != 0 || !ran.stderr.is_empty() {
        return Err(format!("{name}: status {}: {}", ran.status, ran.stderr));
    }
    let found = alerts(&out.path().join("eve.json"));
    if found != expected {
        return Err(format!("{name}: found {found:?}, expected {expected:?}"));
    }
    Ok(())
}
