//! `--list-keywords`, `--list-protocols`, `--dump-config`.

use std::process::ExitCode;

use super::args::Common;
use super::{print, setup};

/// All rule keywords.
pub(super) fn keywords() -> Result<ExitCode, String> {
    let registry = setup::registry();
    let mut text = String::new();
    for word in registry.listed() {
        let of = if word.protocol.is_empty() { String::new() } else { format!(" ({})", word.protocol) };
        text.push_str(&format!("{:28} {:16} {}{of}\n", word.name, word.kind, word.help));
    }
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// All application protocols.
pub(super) fn protocols() -> Result<ExitCode, String> {
    let registry = setup::registry();
    let mut names: Vec<&str> = registry.protocols().iter().map(|protocol| protocol.name()).collect();
    names.sort_unstable();
    print(&(names.join("\n") + "\n"));
    Ok(ExitCode::SUCCESS)
}

/// The configuration in force.
pub(super) fn config(common: &Common) -> Result<ExitCode, String> {
    let (config, warnings) = setup::config(common)?;
    for warning in warnings {
        super::complain(&format!("warning: {warning}"));
    }
    print(&config.dump());
    Ok(ExitCode::SUCCESS)
}
