//! Commands over a socket of this host, in JSON, as `suricatasc` speaks them (the user guide's "Interacting via Unix Socket"): who
//! connects says which version it speaks, then sends `{"command": …, "arguments": {…}}`, one a line, and gets
//! `{"message": …, "return": "OK" | "NOK"}`.

use crossbeam_channel::{Sender, bounded};
use serde_json::{Map, Value, json};

use super::super::status::Status;
use super::{Step, Wish, tables};
use crate::json::JsonWriter;
use crate::output::stats::write_stats;

/// Versions of the protocol: with the second, a line ends each message.
const VERSIONS: [&str; 2] = ["0.1", "0.2"];

/// The commands, in the order in which they are listed.
const COMMANDS: [&str; 28] = [
    "shutdown",
    "command-list",
    "help",
    "version",
    "uptime",
    "running-mode",
    "capture-mode",
    "conf-get",
    "dump-counters",
    "reload-rules",
    "ruleset-reload-rules",
    "ruleset-reload-nonblocking",
    "ruleset-reload-time",
    "ruleset-stats",
    "memcap-set",
    "memcap-show",
    "memcap-list",
    "dataset-add",
    "dataset-remove",
    "dataset-lookup",
    "dataset-clear",
    "dataset-dump",
    "add-hostbit",
    "remove-hostbit",
    "list-hostbit",
    "reopen-log-files",
    "iface-stat",
    "iface-list",
];

/// The next message of a connection, if it is whole.
pub(super) fn request(
    input: &mut Vec<u8>,
    greeted: &mut bool,
    status: &Status,
    wishes: &Sender<Wish>,
) -> Step {
    let Some(message) = message(input) else { return Step::More };
    let Ok(Value::Object(message)) = message else { return Step::Hang };
    if !*greeted {
        let version = message.get("version").and_then(Value::as_str);
        *greeted = version.is_some_and(|version| VERSIONS.contains(&version));
        return match *greeted {
            true => Step::Answer(b"{\"return\":\"OK\"}\n".to_vec()),
            false => Step::Last(answer(false, json!("the versions of this protocol are 0.1 and 0.2"))),
        };
    }
    let Some(command) = message.get("command").and_then(Value::as_str) else { return Step::Hang };
    let empty = Map::new();
    let arguments = message.get("arguments").and_then(Value::as_object).unwrap_or(&empty);
    run(command, arguments, status, wishes)
}

/// The first message of what came, taken out of it. A line, or, of one who sends no line, what is whole by itself.
fn message(input: &mut Vec<u8>) -> Option<serde_json::Result<Value>> {
    let blank = input.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    drop(input.drain(..blank));
    if let Some(end) = input.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = input.drain(..=end).collect();
        return Some(serde_json::from_slice(&line));
    }
    if input.last() != Some(&b'}') {
        return None;
    }
    let found = serde_json::from_slice(input).ok()?;
    input.clear();
    Some(Ok(found))
}

fn run(command: &str, arguments: &Map<String, Value>, status: &Status, wishes: &Sender<Wish>) -> Step {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let wish = |wish: Wish| wishes.try_send(wish).is_ok();
    let busy = || answer(false, json!("too much is asked for at once; try again"));
    Step::Answer(match command {
        "command-list" | "help" => answer(true, json!({"count": COMMANDS.len(), "commands": COMMANDS})),
        "version" => answer(true, json!(format!("{} RELEASE", env!("CARGO_PKG_VERSION")))),
        "uptime" => answer(true, json!(status.uptime())),
        "running-mode" => answer(true, json!("workers")),
        "capture-mode" => answer(true, json!(capture_mode(status.mode))),
        "conf-get" => {
            let found =
                text("variable").and_then(|wanted| status.settings.iter().find(|(key, _)| key == wanted));
            match found {
                Some((_, value)) => answer(true, json!(value)),
                None => answer(false, json!("Unable to get value")),
            }
        }
        "dump-counters" => match status.counters() {
            Some(counters) => answer(true, nested(status, &counters)),
            None => answer(false, json!("stats not yet synchronized")),
        },
        "reload-rules" | "ruleset-reload-rules" => {
            let (done, when) = bounded(1);
            match wish(Wish::Reload(Some(done))) {
                true => return Step::Later(when),
                false => busy(),
            }
        }
        "ruleset-reload-nonblocking" => match wish(Wish::Reload(None)) {
            true => answer(true, json!("done")),
            false => busy(),
        },
        "ruleset-reload-time" => {
            let read_at = status.rules().read_at.to_string();
            answer(true, json!([{"id": 0, "last_reload": read_at}]))
        }
        "ruleset-stats" => {
            let rules = status.rules();
            answer(
                true,
                json!([{
                    "id": 0,
                    "rules_loaded": rules.loaded,
                    "rules_failed": rules.failed,
                    "rules_skipped": rules.skipped,
                }]),
            )
        }
        "reopen-log-files" => match wish(Wish::Reopen) {
            true => answer(true, json!("done")),
            false => busy(),
        },
        "iface-list" => {
            let names: Vec<String> = status.interfaces().into_iter().map(|(name, _)| name).collect();
            answer(true, json!({"count": names.len(), "ifaces": names}))
        }
        "iface-stat" => {
            let Some(wanted) = text("iface") else { return Step::Hang };
            match status.interfaces().into_iter().find(|(name, _)| name == wanted) {
                Some((_, seen)) => answer(
                    true,
                    json!({"pkts": seen.packets, "drop": seen.dropped, "bypassed": seen.bypassed}),
                ),
                None => answer(false, json!("Iface does not exist")),
            }
        }
        "shutdown" => match wish(Wish::Stop) {
            true => return Step::Last(answer(true, json!("Closing Mamparo"))),
            false => busy(),
        },
        _ => match tables::run(command, arguments, status) {
            Some(Ok(message)) => answer(true, message),
            Some(Err(why)) => answer(false, json!(why)),
            None => answer(false, json!("Unknown command")),
        },
    })
}

/// The answer when what was waited for is done.
pub(super) fn done(result: Result<(), String>) -> Vec<u8> {
    match result {
        Ok(()) => answer(true, json!("done")),
        Err(why) => answer(false, json!(why)),
    }
}

fn answer(well: bool, message: Value) -> Vec<u8> {
    let mut bytes = json!({"message": message, "return": if well { "OK" } else { "NOK" }}).to_string();
    bytes.push('\n');
    bytes.into_bytes()
}

/// What the reference engine calls the way to traffic.
fn capture_mode(mode: &str) -> &'static str {
    match mode {
        "host" | "containers" => "NFQ",
        _ => "AF_PACKET_DEV",
    }
}

/// Counters as the `stats` record has them.
fn nested(status: &Status, counters: &[(String, u64)]) -> Value {
    let mut out = JsonWriter::new();
    out.open();
    write_stats(counters.iter().map(|(name, value)| (name.as_str(), *value)), &mut out);
    out.close();
    let mut all: Value = serde_json::from_slice(out.as_bytes()).unwrap_or_default();
    let mut stats = all.get_mut("stats").map(Value::take).unwrap_or_default();
    if let Some(stats) = stats.as_object_mut() {
        stats.insert("uptime".to_owned(), json!(status.uptime()));
    }
    stats
}
