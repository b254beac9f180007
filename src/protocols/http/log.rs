//! The EVE object of a transaction.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::transaction::Tx;
use crate::json::JsonWriter;
use crate::output::eve::printable;
use crate::types::Direction;

/// Bytes of a body in an alert.
const BODY_MAX: usize = 4096;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Record,
    Alert,
    File,
}

/// Writes `"http":{…}`, in Suricata's names and order.
pub(super) fn write(tx: &Tx, shown: Shown, out: &mut JsonWriter) {
    let request = |name| tx.request.headers.find(name).filter(|value| !value.is_empty());
    let response = |name| tx.response.headers.find(name).filter(|value| !value.is_empty());
    out.open_object("http");
    if let Some(host) = tx.host.as_ref().filter(|host| !host.name.is_empty()) {
        out.bytes("hostname", &host.name);
    }
    match tx.host.as_ref().and_then(|host| host.port) {
        Some(port) => out.number("http_port", port),
        None if !tx.request_understood => out.number("http_port", 0),
        None => {}
    }
    if !tx.raw_target().is_empty() {
        out.bytes("url", tx.raw_target());
    }
    if let Some(value) = request("user-agent") {
        out.bytes("http_user_agent", value);
    }
    if let Some(value) = response("content-type") {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        out.bytes("http_content_type", value.get(..end).unwrap_or_default());
    }
    if tx.records.brief && shown == Shown::Record {
        headers(tx, out);
        out.close();
        return;
    }
    if let Some(raw) = response("content-range") {
        out.open_object("content_range");
        out.bytes("raw", raw);
        if let Some((start, end, size)) = tx.content_range {
            for (name, value) in [("start", start), ("end", end), ("size", size)] {
                if let Some(value) = value {
                    out.number(name, value);
                }
            }
        }
        out.close();
    }
    if let Some(value) = request("referer") {
        out.bytes("http_refer", value);
    }
    let method = tx.request.part(&tx.method);
    if !method.is_empty() {
        out.bytes("http_method", method);
    }
    let protocol = tx.request.part(&tx.request.protocol);
    if !protocol.is_empty() {
        out.bytes("protocol", protocol);
    }
    if !tx.code.is_empty() {
        out.number("status", tx.status);
        if (300..400).contains(&tx.status)
            && let Some(value) = response("location")
        {
            out.bytes("redirect", value);
        }
    }
    out.number("length", tx.response.length);
    match shown {
        Shown::Record => headers(tx, out),
        Shown::Alert => bodies(tx, out),
        Shown::File => {}
    }
    out.close();
}

/// The headers that the configuration names.
fn headers(tx: &Tx, out: &mut JsonWriter) {
    for (dir, key, message) in [
        (Direction::ToServer, "request_headers", &tx.request),
        (Direction::ToClient, "response_headers", &tx.response),
    ] {
        let mut wanted = message.headers.iter().filter(|(name, _)| tx.records.lists(dir, name)).peekable();
        if wanted.peek().is_none() {
            continue;
        }
        out.open_array(key);
        for (name, value) in wanted {
            out.open();
            out.bytes("name", name);
            out.bytes("value", value);
            out.close();
        }
        out.close_array();
    }
}

/// The beginnings of the bodies, where the configuration wants them in alerts.
fn bodies(tx: &Tx, out: &mut JsonWriter) {
    let (text, base64) = tx.records.bodies;
    if !text && !base64 {
        return;
    }
    let kept = [
        (&tx.request, ["http_request_body", "http_request_body_printable"]),
        (&tx.response, ["http_response_body", "http_response_body_printable"]),
    ];
    let kept = kept.map(|(message, keys)| (message.body.kept(), keys));
    let head = |bytes: &'_ [u8]| bytes.get(..BODY_MAX).unwrap_or(bytes).to_vec();
    for (bytes, [_, key]) in kept.iter().filter(|(bytes, _)| text && !bytes.is_empty()) {
        out.text(key, &printable(&head(bytes)));
    }
    for (bytes, [key, _]) in kept.iter().filter(|(bytes, _)| base64 && !bytes.is_empty()) {
        out.text(key, &STANDARD.encode(head(bytes)));
    }
}
