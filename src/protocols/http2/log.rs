//! The EVE object of a transaction.

use super::hpack::Item;
use super::message::Message;
use super::settings::{ERRORS, SETTINGS, plain};
use super::transaction::Http2Tx;
use crate::json::JsonWriter;

/// Writes `"http":{…}`, in Suricata's names.
pub(super) fn write(tx: &Http2Tx, out: &mut JsonWriter) {
    out.open_object("http");
    out.text("version", "2");
    headers("request_headers", tx.request(), out);
    headers("response_headers", tx.response(), out);
    // records write what is meant, whatever the case of a name
    let find = |side: &Message, wanted: &str| {
        let mut all = side.headers().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        all.next().map(|(_, value)| value.to_vec())
    };
    for (key, name) in [("http_user_agent", "user-agent"), ("http_method", ":method"), ("url", ":path")] {
        if let Some(value) = find(tx.request(), name) {
            out.bytes(key, &value);
        }
    }
    let length = find(tx.response(), "content-length");
    let length = length.as_deref().and_then(|value| std::str::from_utf8(value).ok());
    if let Some(length) = length.and_then(|text| text.parse::<u64>().ok()) {
        out.number("length", length);
    }
    if let Some(status) = tx.status() {
        out.number("status", status);
    }
    out.open_object("http2");
    out.number("stream_id", tx.stream);
    side("request", tx.request(), out);
    side("response", tx.response(), out);
    out.close();
    out.close();
}

fn headers(key: &'static str, side: &Message, out: &mut JsonWriter) {
    if side.items.is_empty() {
        return;
    }
    out.open_array(key);
    for item in &side.items {
        out.open();
        match item {
            Item::Header(name, value) => {
                out.bytes("name", name);
                out.bytes("value", value);
            }
            Item::Size(size) => out.number("table_size_update", *size),
        }
        out.close();
    }
    out.close_array();
}

fn side(key: &'static str, side: &Message, out: &mut JsonWriter) {
    out.open_object(key);
    if !side.settings.is_empty() {
        out.open_array("settings");
        for (setting, value) in &side.settings {
            out.open();
            out.text("settings_id", &plain(SETTINGS, u64::from(*setting)));
            out.number("settings_value", *value);
            out.close();
        }
        out.close_array();
    }
    if let Some(code) = side.errors.first() {
        out.text("error_code", &plain(ERRORS, u64::from(*code)));
    }
    if let Some(weight) = side.priorities.first() {
        out.number("priority", *weight);
    }
    out.close();
}
