//! The program's own messages in files, as `logging.outputs` of the configuration asks: one JSON object or one line each.
//!
//! A configuration that cannot be used says so there too: the section is read without looking at the rest.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use super::args::Common;
use crate::config::{Config, MessageFile};
use crate::json::JsonWriter;
use crate::types::Timestamp;

static FILES: OnceLock<Mutex<Vec<(MessageFile, std::fs::File)>>> = OnceLock::new();

/// Opens the files that the configuration names. One that cannot be opened is left out: the logs beside it tell why.
pub(super) fn open(common: &Common, log_dir: Option<&Path>) {
    let (folder, wanted) = Config::message_files(common.config.as_deref(), &common.set);
    let folder = log_dir.map(Path::to_path_buf).or(folder).unwrap_or_default();
    if !wanted.is_empty() {
        // the folder is made where it is missing, as for all other logs
        let _ = std::fs::create_dir_all(&folder);
    }
    let opened = wanted
        .into_iter()
        .filter_map(|file| {
            let written = std::fs::File::create(folder.join(&file.filename)).ok()?;
            Some((file, written))
        })
        .collect();
    let _ = FILES.set(Mutex::new(opened));
}

/// Writes one message to all of them.
pub(super) fn write(message: &str) {
    let Some(Ok(mut files)) = FILES.get().map(Mutex::lock) else { return };
    if files.is_empty() {
        return;
    }
    let (level, text) = match message.strip_prefix("warning: ") {
        Some(text) => ("Warning", text),
        None => ("Error", message),
    };
    let now = now();
    for (file, out) in files.iter_mut().filter(|(file, _)| level == "Error" || file.warnings) {
        let line = if file.json {
            let mut json = JsonWriter::new();
            json.open();
            json.plain("timestamp", now);
            json.text("log_level", level);
            json.text("event_type", "engine");
            json.open_object("engine");
            json.text("message", text);
            json.close();
            json.close();
            String::from_utf8_lossy(json.as_bytes()).into_owned()
        } else {
            format!("{now} {level}: {text}")
        };
        // a message that cannot be written has been told on standard error
        let _ = writeln!(out, "{line}");
    }
}

#[expect(clippy::disallowed_methods, reason = "when a message was written; no stage sees it")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_nanos())
}
