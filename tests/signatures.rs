//! The built-in signatures: each is well kept, fires on the capture that proves it, and is silent on its near-miss.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

use mamparo::signatures;
use serde_json::Value;

use super::support::engine::{Make, read};
use super::support::root;

/// Rules that do not do what their proof says, and why: a fault of the engine that is known and not yet mended.
/// The test holds exactly this list: what gets better is taken out.
const KNOWN_MISSES: &[(u32, &str)] = &[];

/// A rule as its file has it.
struct Written {
    place: String,
    sid: u32,
    text: String,
    above: String,
}

fn written() -> Vec<Written> {
    let mut rules = Vec::new();
    for (name, text) in signatures::RULES {
        let mut above = "";
        for (nth, line) in text.lines().enumerate() {
            if !line.is_empty() && !line.starts_with('#') {
                let sid =
                    line.rsplit_once(" sid:").and_then(|(_, rest)| rest.split(';').next()?.parse().ok());
                let place = format!("{name}:{}", nth + 1);
                let sid = sid.unwrap_or_else(|| panic!("{place}: no sid"));
                rules.push(Written { place, sid, text: line.to_owned(), above: above.to_owned() });
            }
            above = line;
        }
    }
    rules
}

/// `proof.yaml`: what fires each rule and what must not.
fn proof() -> BTreeMap<u32, (String, String)> {
    let text = fs::read_to_string(root("signatures/proof.yaml")).expect("signatures/proof.yaml");
    let proof: HashMap<u32, Value> = serde_yaml::from_str(&text).expect("signatures/proof.yaml is YAML");
    let path = |value: &Value| value.as_str().expect("a path").to_owned();
    proof.iter().map(|(sid, entry)| (*sid, (path(&entry["fires"]), path(&entry["silent"])))).collect()
}

#[test]
fn every_file_is_compiled_in() {
    let mut there: Vec<String> = fs::read_dir(root("signatures"))
        .expect("signatures/ can be read")
        .map(|entry| entry.expect("signatures/ can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".rules"))
        .collect();
    there.sort();
    let listed: Vec<&str> = signatures::RULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(there, listed);
}

#[test]
fn every_rule_says_what_it_is() {
    let rules = written();
    assert!(rules.len() >= 120, "{} rules", rules.len());
    let mut wrong = Vec::new();
    let mut sids = BTreeSet::new();
    for rule in &rules {
        if !sids.insert(rule.sid) {
            wrong.push(format!("{}: sid {} is used twice", rule.place, rule.sid));
        }
        if !(9_100_000..9_110_000).contains(&rule.sid) {
            wrong.push(format!("{}: sid {} is outside our range", rule.place, rule.sid));
        }
        if rule.above.strip_prefix("# misses: ").is_none_or(|limit| limit.len() < 10) {
            wrong.push(format!("{}: no line '# misses: …' above the rule", rule.place));
        }
        let marks = [
            "msg:\"MAMPARO ",
            " reference:",
            " classtype:",
            "mitre_tactic_id TA",
            "mitre_technique_id T",
            "created_at ",
            "confidence ",
            "signature_severity ",
            " target:",
            " rev:",
        ];
        for mark in marks.iter().filter(|mark| !rule.text.contains(**mark)) {
            wrong.push(format!("{}: no {}", rule.place, mark.trim()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_rule_is_loaded_and_has_a_class() {
    let engine = Make::default().engine();
    let sids: BTreeSet<u32> = engine.rules.rules.iter().map(|rule| rule.meta.sid).collect();
    let of_files: BTreeSet<u32> = written().iter().map(|rule| rule.sid).collect();
    assert_eq!(sids, of_files);
    for rule in &engine.rules.rules {
        assert!(
            !rule.meta.category.is_empty(),
            "{}: its classtype is in no classification.config",
            rule.meta.sid
        );
    }
}

#[test]
fn every_rule_fires_and_is_silent_as_its_proof_says() {
    let engine = Make::default().engine();
    let proof = proof();
    let mut fired: HashMap<&str, BTreeSet<u32>> = HashMap::new();
    for path in proof.values().flat_map(|(fires, silent)| [fires, silent]) {
        fired
            .entry(path)
            .or_insert_with(|| engine.run(&read(&root(path))).alerts.iter().map(|(sid, _)| *sid).collect());
    }
    let mut missed = BTreeSet::new();
    let mut wrong = Vec::new();
    for rule in written() {
        let Some((fires, silent)) = proof.get(&rule.sid) else {
            wrong.push(format!("{}: {} has no entry in proof.yaml", rule.place, rule.sid));
            continue;
        };
        if !fired[fires.as_str()].contains(&rule.sid) {
            missed.insert(rule.sid);
            wrong.push(format!("{}: {} does not fire on {fires}", rule.place, rule.sid));
        }
        if fired[silent.as_str()].contains(&rule.sid) {
            missed.insert(rule.sid);
            wrong.push(format!("{}: {} fires on its near-miss {silent}", rule.place, rule.sid));
        }
    }
    let known: BTreeSet<u32> = KNOWN_MISSES.iter().map(|(sid, _)| *sid).collect();
    assert_eq!(missed, known, "\n{}", wrong.join("\n"));
    let of_files: BTreeSet<u32> = written().iter().map(|rule| rule.sid).collect();
    assert_eq!(proof.keys().copied().collect::<BTreeSet<_>>(), of_files, "proof.yaml is of these rules");
}
