//! The `sip` object of EVE.

use super::slots;
use crate::json::JsonWriter;
use crate::protocols::values::Values;

/// Of a request or a response: members for what it has.
pub(super) fn message(values: &Values, out: &mut JsonWriter) {
    out.open_object("sip");
    for (key, slot) in [
        ("method", slots::METHOD),
        ("uri", slots::URI),
        ("version", slots::PROTOCOL),
        ("code", slots::STAT_CODE),
        ("reason", slots::STAT_MSG),
        ("request_line", slots::REQUEST_LINE),
        ("response_line", slots::RESPONSE_LINE),
    ] {
        if let Some(text) = values.text(slot, 0) {
            out.bytes(key, text);
        }
    }
    out.close();
}
