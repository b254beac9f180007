//! The EVE object of a transaction.

use super::transaction::Tx;
use crate::json::JsonWriter;

/// Writes `"http":{…}`, in Suricata's names and order.
pub(super) fn write(tx: &Tx, out: &mut JsonWriter) {
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
    out.close();
}
