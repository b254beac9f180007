//! The `quic` object of EVE.

use super::transaction::{Hello, QuicTx};
use crate::app::Settings;
use crate::json::JsonWriter;
use crate::protocols::hello::messages::is_grease;
use crate::types::Direction;

/// What records show, from the settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// `eve.ja4`: records of handshakes show JA4.
    pub(super) ja4_logged: bool,
    /// Rules look at JA4: alerts show it.
    pub(super) ja4_used: bool,
}

impl Wanted {
    /// Read once.
    pub(super) fn new(settings: &Settings) -> Self {
        Wanted {
            ja4_logged: settings.flag("eve.ja4").unwrap_or(false),
            ja4_used: settings.flag("used.ja4").unwrap_or(false),
        }
    }
}

/// The whole object.
pub(super) fn object(tx: &QuicTx, ja4: bool, out: &mut JsonWriter) {
    out.open_object("quic");
    out.text("version", &tx.version);
    if let Some(sni) = tx.sni() {
        out.bytes("sni", sni);
    }
    if let Some(google) = &tx.google {
        if let Some(agent) = &google.user_agent {
            out.bytes("ua", agent);
        }
        if let Some((string, hash)) = &google.cyu {
            out.open_array("cyu");
            out.open();
            out.text("hash", hash);
            out.text("string", string);
            out.close();
            out.close_array();
        }
    }
    if let Some(ja3) = &tx.ja3 {
        out.open_object(if tx.dir == Direction::ToServer { "ja3" } else { "ja3s" });
        out.text("hash", &ja3.hash);
        out.text("string", &ja3.string);
        out.close();
    }
    if let Some(text) = tx.ja4.as_ref().filter(|_| ja4) {
        out.text("ja4", text);
    }
    if let Some(hello) = &tx.hello {
        extensions(hello, out);
    }
    out.close();
}

fn extensions(hello: &Hello, out: &mut JsonWriter) {
    let kinds = match hello {
        Hello::Client(hello) => &hello.extensions,
        Hello::Server(hello) => &hello.extensions,
    };
    if kinds.is_empty() {
        return;
    }
    out.open_array("extensions");
    for &kind in kinds {
        out.open();
        if let Some(name) = name(kind) {
            out.text("name", name);
        }
        out.number("type", if is_grease(kind) { crate::protocols::hello::messages::GREASE } else { kind });
        let values = values(hello, kind);
        if !values.is_empty() {
            out.open_array("values");
            for value in &values {
                out.element(value);
            }
            out.close_array();
        }
        out.close();
    }
    out.close_array();
}

fn values(hello: &Hello, kind: u16) -> Vec<Vec<u8>> {
    let texts = |all: &[u16], text: fn(u16) -> String| all.iter().map(|v| text(*v).into_bytes()).collect();
    match (hello, kind) {
        (Hello::Client(hello), 0) => hello.sni.clone().into_iter().collect(),
        (Hello::Client(hello), 13) => texts(&hello.signatures, |value| value.to_string()),
        (Hello::Client(hello), 16) => hello.alpn.clone(),
        (Hello::Server(hello), 16) => hello.alpn.clone().into_iter().collect(),
        (Hello::Client(hello), 43) => texts(&hello.versions, version),
        (Hello::Server(hello), 43) => texts(&[hello.version.0], version),
        _ => Vec::new(),
    }
}

/// A version of TLS as these records write it.
fn version(value: u16) -> String {
    match value {
        0x0300 => "Ssl30".to_owned(),
        0x0301 => "Tls10".to_owned(),
        0x0302 => "Tls11".to_owned(),
        0x0303 => "Tls12".to_owned(),
        0x0304 => "Tls13".to_owned(),
        0x7f12..=0x7f17 => format!("Tls13Draft{}", value & 0xff),
        0xfeff => "DTls10".to_owned(),
        0xfefd => "DTls12".to_owned(),
        other => format!("TlsVersion({other} / {other:#x})"),
    }
}

/// The name of an extension, IANA "TLS ExtensionType Values".
fn name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        0 => "server_name",
        1 => "max_fragment_length",
        2 => "client_certificate_url",
        3 => "trusted_ca_keys",
        4 => "truncated_hmac",
        5 => "status_request",
        6 => "user_mapping",
        7 => "client_authz",
        8 => "server_authz",
        9 => "cert_type",
        10 => "supported_groups",
        11 => "ec_point_formats",
        12 => "srp",
        13 => "signature_algorithms",
        14 => "use_srtp",
        15 => "heartbeat",
        16 => "alpn",
        17 => "status_request_v2",
        18 => "signed_certificate_timestamp",
        19 => "client_certificate_type",
        20 => "server_certificate_type",
        21 => "padding",
        22 => "encrypt_then_mac",
        23 => "extended_master_secret",
        24 => "token_binding",
        25 => "cached_info",
        26 => "tls_lts",
        27 => "compress_certificate",
        28 => "record_size_limit",
        29 => "pwd_protect",
        30 => "pwd_clear",
        31 => "password_salt",
        32 => "ticket_pinning",
        33 => "tls_cert_with_extern_psk",
        34 => "delegated_credentials",
        35 => "session_ticket",
        36 => "tlmsp",
        37 => "tlmsp_proxying",
        38 => "tlmsp_delegate",
        39 => "supported_ekt_ciphers",
        41 => "pre_shared_key",
        42 => "early_data",
        43 => "supported_versions",
        44 => "cookie",
        45 => "psk_key_exchange_modes",
        47 => "certificate_authorities",
        48 => "oid_filters",
        49 => "post_handshake_auth",
        50 => "signature_algorithms_cert",
        51 => "key_share",
        52 => "transparency_info",
        53 => "connection_id_deprecated",
        54 => "connection_id",
        55 => "external_id_hash",
        56 => "external_session_id",
        57 => "quic_transport_parameters",
        58 => "ticket_request",
        59 => "dnssec_chain",
        13172 => "next_protocol_negotiation",
        65281 => "renegotiation_info",
        65486 => "encrypted_server_name",
        _ => return None,
    })
}
