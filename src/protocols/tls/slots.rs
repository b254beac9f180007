//! The buffers and numbers of a TLS transaction, one [`Slot`] each, and what the rule language calls them.
//!
//! Progress: to_server 0 → [`HELLO`] (client hello seen) → [`CERTIFICATE`] (client's certificate or key exchange seen) →
//! DONE; to_client 0 → [`HELLO`] (server hello seen) → [`CERTIFICATE`] (its certificates seen, or known not to come in
//! clear) → DONE (handshake over, both directions at once).
//!
//! | keyword | to_server | to_client | kind | from progress |
//! | --- | --- | --- | --- | --- |
//! | `tls.sni`, `tls_sni` | [`SNI`] | — | bytes | HELLO |
//! | `tls.alpn` | [`CLIENT_ALPN`] | [`SERVER_ALPN`] | bytes, multi | HELLO |
//! | `tls.random` | [`CLIENT_RANDOM`] | [`SERVER_RANDOM`] | bytes (32) | HELLO |
//! | `tls.random_time` | [`CLIENT_RANDOM_TIME`] | [`SERVER_RANDOM_TIME`] | bytes (4) | HELLO |
//! | `tls.random_bytes` | [`CLIENT_RANDOM_BYTES`] | [`SERVER_RANDOM_BYTES`] | bytes (28) | HELLO |
//! | `tls.version`, `ssl_version` | [`CLIENT_VERSION`] | [`SERVER_VERSION`] | number (wire version, 2 for SSLv2) | 0 |
//! | `ssl_state` | [`STATE`] | [`STATE`] | number, bits below | 0 |
//! | `tls.cert_subject`, `tls_cert_subject`, `tls.subject` | [`CLIENT_SUBJECT`] | [`SUBJECT`] | bytes | CERTIFICATE |
//! | `tls.cert_issuer`, `tls_cert_issuer`, `tls.issuerdn` | [`CLIENT_ISSUER`] | [`ISSUER`] | bytes | CERTIFICATE |
//! | `tls.cert_serial`, `tls_cert_serial` | [`CLIENT_SERIAL`] | [`SERIAL`] | bytes, `AA:BB` | CERTIFICATE |
//! | `tls.cert_fingerprint`, `tls_cert_fingerprint`, `tls.fingerprint` | [`CLIENT_FINGERPRINT`] | [`FINGERPRINT`] | bytes, `aa:bb` of SHA-1 | CERTIFICATE |
//! | `tls.subjectaltname` | [`CLIENT_SUBJECTALTNAME`] | [`SUBJECTALTNAME`] | bytes, multi | CERTIFICATE |
//! | `tls.certs`, `tls_certs` | [`CLIENT_CERTS`] | [`CERTS`] | bytes, multi (DER, leaf first) | CERTIFICATE |
//! | `tls.cert_chain_len` | — | [`CHAIN_LEN`] | number | CERTIFICATE |
//! | `tls_cert_notbefore` | — | [`NOT_BEFORE`] | number, unix seconds | CERTIFICATE |
//! | `tls_cert_notafter`, `tls_cert_expired`, `tls_cert_valid` | — | [`NOT_AFTER`], against the packet's time | number, unix seconds | CERTIFICATE |
//! | `tls.store` | — | — | loads, does nothing | |
//! | `ja3.hash`, `ja3_hash` | [`JA3_HASH`] | — | bytes, lower-case hex | HELLO |
//! | `ja3.string` | [`JA3_STRING`] | — | bytes | HELLO |
//! | `ja3s.hash` | — | [`JA3S_HASH`] | bytes, lower-case hex | HELLO |
//! | `ja3s.string` | — | [`JA3S_STRING`] | bytes | HELLO |
//! | `ja4.hash` | [`JA4`] | — | bytes | HELLO |

use crate::app::Slot;

/// Progress: that side's hello was seen.
pub const HELLO: u8 = 1;
/// Progress: that side's certificates were seen, or will not come in clear.
pub const CERTIFICATE: u8 = 2;

/// Server name the client asks for, RFC 6066 section 3.
pub const SNI: Slot = Slot(0);
/// Protocols the client offers, RFC 7301.
pub const CLIENT_ALPN: Slot = Slot(1);
/// Protocol the server chose.
pub const SERVER_ALPN: Slot = Slot(2);
/// Client random, 32 bytes.
pub const CLIENT_RANDOM: Slot = Slot(3);
/// Server random, 32 bytes.
pub const SERVER_RANDOM: Slot = Slot(4);
/// Its first 4 bytes.
pub const CLIENT_RANDOM_TIME: Slot = Slot(5);
/// Its first 4 bytes.
pub const SERVER_RANDOM_TIME: Slot = Slot(6);
/// Its last 28 bytes.
pub const CLIENT_RANDOM_BYTES: Slot = Slot(7);
/// Its last 28 bytes.
pub const SERVER_RANDOM_BYTES: Slot = Slot(8);
/// Version the client offers: the highest of supported_versions, else of its hello, else of its records.
pub const CLIENT_VERSION: Slot = Slot(9);
/// Version the server chose, or that of its records before its hello.
pub const SERVER_VERSION: Slot = Slot(10);
/// The last handshake message seen: [`STATE_CLIENT_HELLO`] and so on; 0 before any.
pub const STATE: Slot = Slot(11);
/// Subject of the server's certificate, `C=US, O=…, CN=…`.
pub const SUBJECT: Slot = Slot(12);
/// Subject of the client's.
pub const CLIENT_SUBJECT: Slot = Slot(13);
/// Issuer of the server's certificate.
pub const ISSUER: Slot = Slot(14);
/// Issuer of the client's.
pub const CLIENT_ISSUER: Slot = Slot(15);
/// Serial number of the server's certificate, `AA:BB:…`.
pub const SERIAL: Slot = Slot(16);
/// Serial number of the client's.
pub const CLIENT_SERIAL: Slot = Slot(17);
/// SHA-1 of the server's certificate, `aa:bb:…`.
pub const FINGERPRINT: Slot = Slot(18);
/// SHA-1 of the client's.
pub const CLIENT_FINGERPRINT: Slot = Slot(19);
/// Subject alternative names of the server's certificate.
pub const SUBJECTALTNAME: Slot = Slot(20);
/// Subject alternative names of the client's.
pub const CLIENT_SUBJECTALTNAME: Slot = Slot(21);
/// The server's certificates, DER.
pub const CERTS: Slot = Slot(22);
/// The client's certificates, DER.
pub const CLIENT_CERTS: Slot = Slot(23);
/// How many certificates the server sent.
pub const CHAIN_LEN: Slot = Slot(24);
/// Start of validity of the server's certificate, unix seconds.
pub const NOT_BEFORE: Slot = Slot(25);
/// End of validity of the server's certificate, unix seconds.
pub const NOT_AFTER: Slot = Slot(26);
/// MD5 of [`JA3_STRING`].
pub const JA3_HASH: Slot = Slot(27);
/// JA3 of the client hello.
pub const JA3_STRING: Slot = Slot(28);
/// MD5 of [`JA3S_STRING`].
pub const JA3S_HASH: Slot = Slot(29);
/// JA3S of the server hello.
pub const JA3S_STRING: Slot = Slot(30);
/// JA4 of the client hello.
pub const JA4: Slot = Slot(31);

/// [`STATE`]: a client hello.
pub const STATE_CLIENT_HELLO: u64 = 1;
/// [`STATE`]: a server hello.
pub const STATE_SERVER_HELLO: u64 = 2;
/// [`STATE`]: a client key exchange.
pub const STATE_CLIENT_KEYX: u64 = 4;
/// [`STATE`]: a server key exchange.
pub const STATE_SERVER_KEYX: u64 = 8;
/// [`STATE`]: a message of no known kind.
pub const STATE_UNKNOWN: u64 = 16;
