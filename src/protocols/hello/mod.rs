//! The hellos of TLS, which QUIC carries too: messages, versions, fingerprints. No protocol of its own; it knows neither records
//! nor packets.

pub(in crate::protocols) mod fingerprint;
pub(in crate::protocols) mod messages;
pub(in crate::protocols) mod version;
