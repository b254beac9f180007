//! The `rfb` object of EVE.

use super::transaction::RfbTx;
use crate::json::JsonWriter;

/// A handshake, as far as it came.
pub(super) fn handshake(tx: &RfbTx, out: &mut JsonWriter) {
    out.open_object("rfb");
    let [client, server] = tx.versions;
    for (key, version) in [("server_protocol_version", server), ("client_protocol_version", client)] {
        if let Some((major, minor)) = version {
            out.open_object(key);
            out.bytes("major", &major);
            out.bytes("minor", &minor);
            out.close();
        }
    }
    out.open_object("authentication");
    if let Some(kind) = tx.security {
        out.number("security_type", kind);
    }
    if tx.challenge.is_some() || tx.response.is_some() {
        out.open_object("vnc");
        for (key, bytes) in [("challenge", tx.challenge), ("response", tx.response)] {
            if let Some(bytes) = bytes {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                out.text(key, &hex);
            }
        }
        out.close();
    }
    if tx.result == Some(0) {
        out.text("security_result", "OK");
    }
    out.close();
    if let Some(reason) = &tx.reason {
        out.bytes("server_security_failure_reason", reason);
    }
    if let Some(shared) = tx.shared {
        out.flag("screen_shared", shared);
    }
    if let Some(screen) = &tx.screen {
        let format = screen.format;
        out.open_object("framebuffer");
        out.number("width", screen.width);
        out.number("height", screen.height);
        out.bytes("name", &screen.name);
        out.open_object("pixel_format");
        out.number("bits_per_pixel", format.bits);
        out.number("depth", format.depth);
        out.flag("big_endian", format.big_endian);
        out.flag("true_color", format.true_color);
        for (key, max) in ["red_max", "green_max", "blue_max"].into_iter().zip(format.max) {
            out.number(key, max);
        }
        for (key, shift) in ["red_shift", "green_shift", "blue_shift"].into_iter().zip(format.shift) {
            out.number(key, shift);
        }
        out.close();
        out.close();
    }
    out.close();
}
