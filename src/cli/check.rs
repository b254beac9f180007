//! `mamparo check`: every mistake in rules and configuration, at once.

use std::process::ExitCode;

use super::args::Check;
use super::{complain, print, setup};
use crate::detect::prefilter::Everything;
use crate::json::JsonWriter;

/// Checks, and answers 1 when anything is wrong.
pub(super) fn run(check: &Check) -> Result<ExitCode, String> {
    let (config, warnings) = setup::config(&check.common)?;
    for warning in &warnings {
        complain(&format!("warning: {warning}"));
    }
    let companions = setup::companions(&config);
    for fault in &companions.faults {
        complain(fault.trim_end());
    }
    let sources = setup::sources(&config, &check.rules, &check.files)?;
    let registry = setup::registry();
    let (tables, tables_bad) = setup::tables(&config, &check.common, std::path::Path::new("."));
    // nothing is matched: no automaton is built
    let loaded = setup::load_rules(&config, &companions, &sources, &registry, Everything::build, &tables);
    loaded.faults.iter().for_each(|fault| complain(fault));
    let mut out = String::new();
    for complaint in &loaded.complaints {
        if check.json {
            let mut json = JsonWriter::new();
            json.open();
            json.text("file", &complaint.file);
            json.number("line", complaint.line);
            json.number("column", complaint.column);
            json.text("severity", if complaint.warning { "warning" } else { "error" });
            json.text("message", &complaint.error.message);
            if let Some(hint) = &complaint.error.hint {
                json.text("hint", hint);
            }
            json.close();
            out.push_str(&String::from_utf8_lossy(json.as_bytes()));
            out.push('\n');
        } else {
            out.push_str(&complaint.shown);
        }
    }
    print(&out);
    complain(&format!(
        "{} rules good, {} refused, {} not supported yet, {} left out by their own 'requires', {} disabled, {} warnings",
        loaded.used,
        loaded.refused,
        loaded.unsupported,
        loaded.skipped,
        loaded.disabled,
        loaded.complaints.iter().filter(|complaint| complaint.warning).count()
    ));
    let good = loaded.refused == 0
        && loaded.unsupported == 0
        && companions.faults.is_empty()
        && loaded.faults.is_empty()
        && !tables_bad;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
