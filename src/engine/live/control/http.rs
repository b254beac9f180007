//! Health and counters over HTTP: `/healthz`, `/readyz`, `/metrics` (Prometheus' text format 0.0.4). One request a connection.

use std::fmt::Write as _;

use super::super::status::Status;
use super::Step;

/// The next request of a connection, if it is whole.
pub(super) fn request(input: &mut Vec<u8>, status: &Status) -> Step {
    let Some(end) = head_end(input) else { return Step::More };
    let head: Vec<u8> = input.drain(..end).collect();
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Step::Hang };
    let mut words = line.split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    if !version.is_some_and(|version| version.starts_with("HTTP/1.")) || words.next().is_some() {
        return Step::Last(response(400, "text/plain", "not a request of HTTP/1\n", false));
    }
    let only_head = match method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Step::Last(response(405, "text/plain", "only GET and HEAD\n", false)),
    };
    let path = target.unwrap_or("/").split('?').next().unwrap_or("/");
    Step::Last(match path {
        "/healthz" => response(200, "text/plain", "ok\n", only_head),
        "/readyz" if status.is_ready() => response(200, "text/plain", "ready\n", only_head),
        "/readyz" => response(503, "text/plain", "not ready\n", only_head),
        "/metrics" => {
            response(200, "text/plain; version=0.0.4; charset=utf-8", &exposition(status), only_head)
        }
        _ => response(404, "text/plain", "there is /healthz, /readyz and /metrics\n", only_head),
    })
}

/// The end of the head: an empty line.
fn head_end(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if at > line.len() && matches!(line, b"\r\n" | b"\n") {
            return Some(at);
        }
    }
    None
}

fn response(code: u16, kind: &str, body: &str, only_head: bool) -> Vec<u8> {
    let reason = match code {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    };
    let mut out = format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n",
        body.len()
    );
    if code == 405 {
        out += "Allow: GET, HEAD\r\n";
    }
    out += "\r\n";
    if !only_head {
        out += body;
    }
    out.into_bytes()
}

/// All there is to be told, in Prometheus' words.
fn exposition(status: &Status) -> String {
    let mut out = String::new();
    let rules = status.rules();
    let (well, failed) = status.reloads();
    let fail = if status.fail_open { "open" } else { "closed" };
    family(
        &mut out,
        "mamparo_info",
        "gauge",
        "what runs",
        &[(
            format!("{{version=\"{}\",mode=\"{}\",fail=\"{fail}\"}}", env!("CARGO_PKG_VERSION"), status.mode),
            1,
        )],
    );
    family(
        &mut out,
        "mamparo_ready",
        "gauge",
        "rules are loaded and hooks attached",
        &[(String::new(), u64::from(status.is_ready()))],
    );
    family(
        &mut out,
        "mamparo_uptime_seconds",
        "gauge",
        "since the start",
        &[(String::new(), status.uptime())],
    );
    family(
        &mut out,
        "mamparo_rules",
        "gauge",
        "rules, by what became of them",
        &[
            ("{state=\"loaded\"}".to_owned(), rules.loaded),
            ("{state=\"failed\"}".to_owned(), rules.failed),
            ("{state=\"skipped\"}".to_owned(), rules.skipped),
        ],
    );
    family(
        &mut out,
        "mamparo_reloads_total",
        "counter",
        "times that rules were read anew",
        &[("{result=\"used\"}".to_owned(), well), ("{result=\"refused\"}".to_owned(), failed)],
    );
    if let Some(memory) = resident() {
        family(
            &mut out,
            "process_resident_memory_bytes",
            "gauge",
            "what the process holds",
            &[(String::new(), memory)],
        );
    }
    for (name, value) in status.counters().unwrap_or_default() {
        let highest = name.ends_with("_max");
        let kind = if highest { "gauge" } else { "counter" };
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let suffix = if highest || plain.ends_with("_total") { "" } else { "_total" };
        family(&mut out, &format!("mamparo_{plain}{suffix}"), kind, &name, &[(String::new(), value)]);
    }
    let seen = status.interfaces();
    let by = |of: fn(&super::super::status::Seen) -> u64| -> Vec<(String, u64)> {
        let label = |name: &str| {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{{interface=\"{quoted}\"}}")
        };
        seen.iter().map(|(name, seen)| (label(name), of(seen))).collect()
    };
    for (name, help, of) in [
        ("packets", "packets seen", (|seen| seen.packets) as fn(&super::super::status::Seen) -> u64),
        ("dropped", "packets that ended here", |seen| seen.dropped),
        ("bypassed", "packets whose flows are not shown any more", |seen| seen.bypassed),
    ] {
        family(&mut out, &format!("mamparo_interface_{name}_total"), "counter", help, &by(of));
    }
    out
}

/// One metric with its values, by labels.
fn family(out: &mut String, name: &str, kind: &str, help: &str, values: &[(String, u64)]) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

/// Bytes of memory that the process holds.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
