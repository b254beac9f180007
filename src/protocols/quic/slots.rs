//! The buffers of a QUIC transaction, one [`Slot`] each, and what the rule language calls them. All are there from the start: a
//! transaction is one packet.
//!
//! | keyword | to_server | to_client | kind |
//! | --- | --- | --- | --- |
//! | `quic.version` | [`VERSION`] | [`VERSION`] | bytes, of packets with a long header |
//! | `quic.sni` | [`SNI`] | — | bytes |
//! | `quic.ua` | [`USER_AGENT`] | — | bytes, of Google's QUIC |
//! | `quic.cyu.hash`, `quic.cyu.string` | [`CYU_HASH`], [`CYU_STRING`] | — | bytes, of Google's QUIC |
//! | `ja3.hash`, `ja3.string` | [`JA3_HASH`], [`JA3_STRING`] | — | bytes |
//! | `ja3s.hash`, `ja3s.string` | — | [`JA3_HASH`], [`JA3_STRING`] | bytes |
//! | `ja4.hash` | [`JA4`] | — | bytes |

use crate::app::Slot;

/// The version as EVE writes it.
pub const VERSION: Slot = Slot(0);
/// Server name the client asks for.
pub const SNI: Slot = Slot(1);
/// User agent of Google's client hello.
pub const USER_AGENT: Slot = Slot(2);
/// MD5 of [`CYU_STRING`].
pub const CYU_HASH: Slot = Slot(3);
/// Version and tags of Google's client hello.
pub const CYU_STRING: Slot = Slot(4);
/// MD5 of [`JA3_STRING`].
pub const JA3_HASH: Slot = Slot(5);
/// JA3 of the client hello, JA3S of the server hello.
pub const JA3_STRING: Slot = Slot(6);
/// JA4 of the client hello.
pub const JA4: Slot = Slot(7);
