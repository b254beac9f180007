//! The rule keywords of QUIC; fingerprints share their names with TLS.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("quic.version", "the version of QUIC", &[place(S, VERSION), place(C, VERSION)]),
    buffer("quic.sni", "the server name that the client asks for", &[place(S, SNI)]),
    buffer("quic.ua", "the user agent of Google's QUIC", &[place(S, USER_AGENT)]),
    buffer("quic.cyu.hash", "the MD5 of the CYU fingerprint of Google's QUIC", &[place(S, CYU_HASH)]),
    buffer("quic.cyu.string", "the CYU fingerprint of Google's QUIC", &[place(S, CYU_STRING)]),
    buffer("ja3.hash", "the JA3 of the client", &[place(S, JA3_HASH)]),
    buffer("ja3.string", "the text that JA3 is the MD5 of", &[place(S, JA3_STRING)]),
    buffer("ja3s.hash", "the JA3S of the server", &[place(C, JA3_HASH)]),
    buffer("ja3s.string", "the text that JA3S is the MD5 of", &[place(C, JA3_STRING)]),
    buffer("ja4.hash", "the JA4 of the client", &[place(S, JA4)]),
];
