//! What a rule writer sees: `check` with its warnings and explanations, and `replay --profile`.

use std::fs;

use serde_json::Value;

use super::support::binary::{alerts, run};
use super::support::{TempDir, root};

const RULES: &str = "alert http any any -> any any (msg:\"good\"; flow:established,to_server; http.uri; content:\"/latest\"; http.method; content:\"GET\"; flowbits:set,seen; sid:1; rev:3;)\n\
    alert tcp any any -> any any (msg:\"slow\"; pcre:\"/.*abc/\"; flowbits:isset,seen; sid:2;)\n\
    alert tcp any any -> any any (msg:\"never\"; content:\"abcdef\"; flowbits:isset,sen; sid:3;)\n";

fn folder(name: &str, rules: &str) -> TempDir {
    let dir = TempDir::new(name);
    fs::write(dir.path().join("my.rules"), rules).expect("a file can be written");
    dir
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

#[test]
fn warnings_are_told_and_fail_only_when_strict() {
    let dir = folder("check-warnings", RULES);
    let ran = run(dir.path(), ["check", "-S", "my.rules"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for word in [
        "my.rules:2:48: warning[no-literal]: nothing to look for first",
        "my.rules:2:50: warning[pcre-leading-any]",
        "my.rules:3:77: warning[bit-never-set]: no rule sets 'sen' of flowbits",
        "= did you mean 'seen'?",
        "^^^",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("3 rules good, 0 refused") && ran.stderr.contains("3 warnings"), "{ran:?}");
    assert_eq!(run(dir.path(), ["check", "-S", "my.rules", "--strict"]).status, 1);
}

#[test]
fn programs_get_an_object_a_line() {
    let rules = format!("{RULES}alert tcp any any -> any any (msg:\"bad\"; contnet:\"abc\"; sid:4;)\n");
    let dir = folder("check-json", &rules);
    let ran = run(dir.path(), ["check", "--json", "-S", "my.rules"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let objects = objects(&ran.stdout);
    let bad = objects.iter().find(|object| object["severity"] == "error").expect("the mistake");
    assert_eq!((&bad["file"], &bad["line"], &bad["sid"]), (&"my.rules".into(), &4.into(), &4.into()));
    assert_eq!((&bad["column"], &bad["end"], &bad["code"]), (&42.into(), &49.into(), &"invalid".into()));
    assert_eq!(
        (&bad["message"], &bad["hint"]),
        (&"unknown keyword 'contnet'".into(), &"did you mean 'content'?".into())
    );
    assert!(objects.iter().any(|object| object["code"] == "no-literal" && object["severity"] == "warning"));
}

#[test]
fn many_warnings_of_one_kind_are_counted() {
    let rules: String = (1..=20)
        .map(|sid| format!("alert tcp any any -> any any (msg:\"m\"; pcre:\"/abc/\"; sid:{sid};)\n"))
        .collect();
    let dir = folder("check-many", &rules);
    let few = run(dir.path(), ["check", "my.rules"]);
    assert!(few.stdout.contains("warning[no-literal]: 20 rules have no literal"), "{}", few.stdout);
    assert!(few.stdout.lines().count() < 10);
    let all = run(dir.path(), ["check", "-v", "my.rules"]);
    assert_eq!(all.stdout.matches("warning[no-literal]").count(), 20);
}

#[test]
fn a_rule_is_explained() {
    let dir = folder("check-explain", RULES);
    let ran = run(dir.path(), ["check", "-S", "my.rules", "--explain", "1"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    for word in [
        "rule 1:1 rev 3  good",
        "my.rules:1",
        "once for each transaction in which its fast pattern is seen",
        "transactions of http, to the server",
        "\"/latest\", worth",
        "it is the rarest of those that can serve",
        "1. http.uri",
        "sets 'seen' (flowbits), asked for by 2",
    ] {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let ran = run(dir.path(), ["check", "-S", "my.rules", "--json", "--explain", "1:1", "--explain", "2"]);
    let objects = objects(&ran.stdout);
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0]["candidates"][0]["chosen"], true);
    assert_eq!((&objects[0]["class"], &objects[1]["class"]), (&"transaction".into(), &"stream".into()));
    assert_eq!(objects[1]["bits"][0]["rules"][0], 1);
    let ran = run(dir.path(), ["check", "-S", "my.rules", "--explain", "9"]);
    assert!(ran.status == 1 && ran.stderr.contains("rule 9 is not there"), "{ran:?}");
}

#[test]
fn what_rules_cost_is_measured() {
    let capture = root("pcaps/attacks-cloud-metadata.pcap");
    let dir = folder("profile", RULES);
    let arguments = |more: &[&str]| {
        let mut arguments: Vec<String> =
            ["replay", "-S", "my.rules"].iter().chain(more).map(ToString::to_string).collect();
        arguments.push(capture.display().to_string());
        arguments
    };
    let ran = run(dir.path(), arguments(&["--profile", "--json", "-l", "out"]));
    assert_eq!(ran.status, 0, "{ran:?}");
    let summary: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let rows = summary["slowest_rules"].as_array().expect("rows");
    assert!(rows.iter().all(|row| row["checks"].as_u64() >= row["matches"].as_u64()));
    let first = rows.iter().find(|row| row["signature_id"] == 1).expect("rule 1 was evaluated");
    assert_eq!(first["matches"], alerts(&dir.path().join("out/eve.json"))[&1]);
    let log = fs::read_to_string(dir.path().join("out/rule_perf.log")).expect("a log");
    assert_eq!(log.lines().count(), 4 + rows.len());
    // measured or not, by one or by several: the same alerts
    for (out, more) in
        [("plain", &["-l", "plain"][..]), ("two", &["--profile", "--workers", "2", "-l", "two"])]
    {
        assert_eq!(run(dir.path(), arguments(more)).status, 0);
        let found = alerts(&dir.path().join(out).join("eve.json"));
        assert_eq!(found, alerts(&dir.path().join("out/eve.json")), "{out}");
    }
    assert!(!dir.path().join("plain/rule_perf.log").exists());
}

#[test]
fn rule_files_are_found_by_pattern_and_messages_go_into_files() {
    let dir = folder("check-config", RULES);
    fs::write(
        dir.path().join("c.yaml"),
        "%YAML 1.1\n---\ndefault-rule-path: .\nrule-files:\n  - m*.rules\nlogging:\n  outputs:\n  - file:\n      enabled: yes\n      filename: messages.json\n      type: json\nstream:\n  midstream-policy: no\n",
    )
    .expect("a file can be written");
    let ran = run(dir.path(), ["check", "-c", "c.yaml", "--set", "stream.midstream-policy=ignore"]);
    assert!(ran.stderr.contains("3 rules good"), "{ran:?}");
    let ran = run(dir.path(), ["replay", "-c", "c.yaml", "-l", "out", "nothing.pcap"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let told = fs::read_to_string(dir.path().join("out/messages.json")).expect("messages");
    let told = objects(&told);
    assert_eq!((&told[0]["event_type"], &told[0]["log_level"]), (&"engine".into(), &"Error".into()));
    assert!(told[0]["engine"]["message"].as_str().expect("text").contains("midstream-policy"));
}
