//! `mamparo check`: every mistake in rules and configuration, at once, and what is slow or odd in rules that load.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use super::args::Check;
use super::{complain, explain, print, setup};
use crate::detect::prefilter::Everything;
use crate::engine::lint::CODES;
use crate::engine::load::{Complaint, Loaded};
use crate::json::JsonWriter;

/// Warnings of one kind that are shown one by one without `-v`.
const SHOWN_MAX: usize = 3;
/// Warnings about the configuration that are named without `-v`.
const CONFIG_SHOWN_MAX: usize = 10;

/// Checks, and answers 1 when anything is wrong.
pub(super) fn run(check: &Check) -> Result<ExitCode, String> {
    let (config, warnings) = setup::config(&check.common)?;
    let explaining = !check.explain.is_empty();
    let many = warnings.len() > CONFIG_SHOWN_MAX && check.verbose == 0 && !check.json;
    if many && !explaining {
        complain(&format!(
            "warning: {} keys of the configuration have no effect here (-v names them)",
            warnings.len()
        ));
    } else if !explaining {
        for warning in &warnings {
            complain(&format!("warning: {warning}"));
        }
    }
    let companions = setup::companions(&config);
    for fault in &companions.faults {
        complain(fault.trim_end());
    }
    let sources = setup::sources(&config, &check.rules, &check.files)?;
    let registry = setup::registry();
    let (tables, tables_bad) = setup::tables(&config, &check.common, std::path::Path::new("."));
    // nothing is matched: no automaton is built
    let build = Everything::build;
    let loaded =
        setup::compile_rules(&config, &companions, &sources, &registry, build, &tables, true, None).group();
    loaded.faults.iter().for_each(|fault| complain(fault));
    if explaining {
        return explain::run(check, &loaded, &sources);
    }
    if check.json {
        print(&loaded.complaints.iter().map(object).collect::<String>());
    } else {
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print(&report(&loaded.complaints, check.verbose > 0, color));
    }
    let strangers = strangers(&companions, &loaded);
    if !check.json {
        for message in &strangers {
            complain(message);
        }
    }
    let odd = loaded.complaints.iter().filter(|complaint| is_warning(complaint)).count();
    complain(&summary(&loaded, odd));
    let good = loaded.refused == 0
        && loaded.unsupported == 0
        && companions.faults.is_empty()
        && loaded.faults.is_empty()
        && !tables_bad
        && !(check.strict && odd + warnings.len() + strangers.len() > 0);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lines of the threshold file about rules that are not in use.
fn strangers(companions: &setup::Companions, loaded: &Loaded) -> Vec<String> {
    let known: std::collections::HashSet<(u32, u32)> =
        loaded.rules.rules.iter().map(|rule| (rule.meta.gid, rule.meta.sid)).collect();
    let lines = companions.thresholds.iter().filter(|entry| entry.sid != 0);
    lines
        .filter(|entry| !known.contains(&(entry.gid, entry.sid)))
        .map(|entry| {
            let (line, gid, sid) = (entry.line, entry.gid, entry.sid);
            format!("warning: threshold-file line {line}: rule {gid}:{sid} is not in use")
        })
        .collect()
}

fn summary(loaded: &Loaded, warnings: usize) -> String {
    format!(
        "{} rules good, {} refused, {} not supported yet, {} left out by their own 'requires', {} disabled, {warnings} warnings",
        loaded.used, loaded.refused, loaded.unsupported, loaded.skipped, loaded.disabled,
    )
}

/// A rule with a warning is in use; one that asks for what is not there yet is not.
fn is_warning(complaint: &Complaint) -> bool {
    complaint.warning && complaint.code != "unsupported"
}

/// One line for a program.
fn object(complaint: &Complaint) -> String {
    let mut json = JsonWriter::new();
    json.open();
    json.text("file", &complaint.file);
    json.number("line", complaint.line);
    json.number("column", complaint.column);
    json.number("end", complaint.end);
    if complaint.sid != 0 {
        json.number("sid", complaint.sid);
    }
    json.text("code", complaint.code);
    let severity = match (complaint.warning, complaint.code) {
        (_, "unsupported") => "unsupported",
        (true, _) => "warning",
        (false, _) => "error",
    };
    json.text("severity", severity);
    json.text("message", &complaint.error.message);
    if let Some(hint) = &complaint.error.hint {
        json.text("hint", hint);
    }
    json.close();
    String::from_utf8_lossy(json.as_bytes()).into_owned() + "\n"
}

/// For a person: mistakes in full, then warnings, those of one kind together unless all are asked for.
fn report(complaints: &[Complaint], all: bool, color: bool) -> String {
    let mut out = String::new();
    for complaint in complaints.iter().filter(|complaint| !complaint.warning) {
        out.push_str(&painted(&complaint.shown, color, RED));
    }
    let mut kinds: BTreeMap<usize, Vec<&Complaint>> = BTreeMap::new();
    for complaint in complaints.iter().filter(|complaint| complaint.warning) {
        let rank = CODES.iter().position(|code| code.name == complaint.code).unwrap_or(CODES.len());
        kinds.entry(rank).or_default().push(complaint);
    }
    for (rank, complaints) in kinds {
        if all || complaints.len() <= SHOWN_MAX {
            for complaint in complaints {
                out.push_str(&painted(&complaint.shown, color, YELLOW));
            }
            continue;
        }
        let (name, what, remedy) =
            CODES.get(rank).map_or(("", "are told of", ""), |code| (code.name, code.what, code.remedy));
        let mut shown = format!("warning[{name}]: {} rules {what}\n", complaints.len());
        if name == "unsupported" {
            for (message, count) in by_message(&complaints) {
                shown.push_str(&format!("  | {count:>6}  {message}\n"));
            }
        } else {
            for complaint in complaints.iter().take(SHOWN_MAX) {
                let Complaint { file, line, column, .. } = complaint;
                shown.push_str(&format!("  | {file}:{line}:{column}: {}\n", complaint.error.message));
            }
            shown.push_str("  | … (-v shows each)\n");
        }
        shown.push_str(&format!("  = {remedy}\n"));
        out.push_str(&painted(&shown, color, YELLOW));
    }
    out
}

/// How often each message was told, the most frequent first.
fn by_message<'c>(complaints: &[&'c Complaint]) -> Vec<(&'c str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for complaint in complaints {
        *counts.entry(&complaint.error.message).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(message, count)| (std::cmp::Reverse(*count), *message));
    counts
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const DIM: &str = "\u{1b}[2m";
const CYAN: &str = "\u{1b}[36m";
const PLAIN: &str = "\u{1b}[0m";

/// The same in colours: what is wrong, the carets, the hint.
fn painted(shown: &str, color: bool, grave: &str) -> String {
    if !color {
        return shown.to_owned();
    }
    let mut out = String::with_capacity(shown.len() + 64);
    for (nth, line) in shown.lines().enumerate() {
        let carets = line.strip_prefix("  | ").is_some_and(|rest| rest.trim_matches([' ', '^']).is_empty());
        let paint = match nth {
            0 => grave,
            _ if carets => grave,
            _ if line.starts_with("  = ") => CYAN,
            _ => DIM,
        };
        out.push_str(&format!("{paint}{line}{PLAIN}\n"));
    }
    out
}
