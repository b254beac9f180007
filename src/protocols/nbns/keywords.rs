//! The rule keywords of the NetBIOS name service, and its record.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::protocols::exchange::{Field, Format, Shape, buffer, number};
use crate::types::Direction;

/// RFC 1002 section 4.2.1.1.
const OPCODES: &[(&str, u64)] =
    &[("query", 0), ("registration", 5), ("release", 6), ("wait", 7), ("refresh", 8)];

const fn both(slot: Slot) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Multi },
        Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Multi },
    ]
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("nbns.name", "the name that is asked for or answered (WPAD)", &both(NAME)),
    buffer("nbns.address", "each address of an answer, as text", &both(ADDRESS)),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("nbns.opcode", "what is done, by number or name (registration)", &both(OPCODE), OPCODES),
    number("nbns.suffix", "the last byte of the name: 32 for a server", &both(SUFFIX), &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "nbns",
    beside: &[
        Field("type", KIND, Shape::Text),
        Field("opcode", OPCODE, Shape::Word(OPCODES)),
        Field("name", NAME, Shape::Text),
        Field("suffix", SUFFIX, Shape::Number),
        Field("addresses", ADDRESS, Shape::List),
    ],
    request: &[],
    response: &[],
};
