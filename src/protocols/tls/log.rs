//! The `tls` object of EVE.

use super::certificate::Leaf;
use super::transaction::TlsTx;
use crate::app::Settings;
use crate::json::JsonWriter;
use crate::types::Direction;

/// What is computed and what records show, from the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// `ja3-fingerprints` is not `no`.
    pub(super) ja3_computed: bool,
    /// `ja4-fingerprints` is not `no`.
    pub(super) ja4_computed: bool,
    /// `ja3-fingerprints` is `yes`, or `auto` and `used.ja3`.
    pub(super) ja3_logged: bool,
    /// The same for JA4, and `eve.ja4` is set.
    pub(super) ja4_logged: bool,
    /// Rules look at JA4: alerts show it.
    pub(super) ja4_used: bool,
    /// `eve.extended`: more than subject and issuer.
    pub(super) extended: bool,
    /// `eve.session-resumption`: resumed sessions are logged.
    pub(super) session_resumption: bool,
}

impl Wanted {
    /// Read once.
    pub(super) fn new(settings: &Settings) -> Self {
        let enabled = |key: &str, used: &str| {
            let used = settings.flag(used).unwrap_or(false);
            match settings.flag(key) {
                Some(enabled) => (enabled, enabled, used && enabled),
                // auto
                None => (true, used, used),
            }
        };
        let (ja3_computed, ja3_logged, _) = enabled("ja3-fingerprints", "used.ja3");
        let (ja4_computed, ja4_enabled, ja4_used) = enabled("ja4-fingerprints", "used.ja4");
        Wanted {
            ja3_computed,
            ja4_computed,
            ja3_logged,
            ja4_logged: ja4_enabled && settings.flag("eve.ja4").unwrap_or(false),
            ja4_used,
            extended: settings.flag("eve.extended").unwrap_or(true),
            session_resumption: settings.flag("eve.session-resumption").unwrap_or(false),
        }
    }
}

/// The whole object.
pub(super) fn object(tx: &TlsTx, wanted: &Wanted, ja4: bool, out: &mut JsonWriter) {
    out.open_object("tls");
    let leaf = tx.leaf(Direction::ToClient);
    if let Some(leaf) = leaf {
        out.text("subject", &leaf.subject);
        out.text("issuerdn", &leaf.issuer);
    }
    if tx.is_resumed() {
        out.flag("session_resumed", true);
    }
    if wanted.extended {
        if let Some(leaf) = leaf {
            out.text("serial", &leaf.serial);
            out.text("fingerprint", &leaf.fingerprint);
        }
        if let Some(sni) = tx.client.as_ref().and_then(|client| client.sni.as_deref()) {
            out.bytes("sni", sni);
        }
        out.plain("version", tx.versions[1]);
        if let Some(leaf) = leaf {
            validity(leaf, out);
        }
        if wanted.ja3_logged {
            for (key, fingerprint) in [("ja3", &tx.ja3), ("ja3s", &tx.ja3s)] {
                if let Some(fingerprint) = fingerprint {
                    out.open_object(key);
                    out.text("hash", &fingerprint.hash);
                    out.text("string", &fingerprint.string);
                    out.close();
                }
            }
        }
        if let Some(text) = tx.ja4.as_ref().filter(|_| ja4) {
            out.text("ja4", text);
        }
        if let Some(leaf) = tx.leaf(Direction::ToServer) {
            out.open_object("client");
            out.text("subject", &leaf.subject);
            out.text("issuerdn", &leaf.issuer);
            out.text("fingerprint", &leaf.fingerprint);
            out.text("serial", &leaf.serial);
            validity(leaf, out);
            out.close();
        }
    }
    if let Some(protocol) = tx.from_protocol {
        out.text("from_proto", protocol);
    }
    out.close();
}

fn validity(leaf: &Leaf, out: &mut JsonWriter) {
    out.text("notbefore", &leaf.not_before.text);
    out.text("notafter", &leaf.not_after.text);
}
