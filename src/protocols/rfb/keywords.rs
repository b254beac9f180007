//! The rule keywords of RFB.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[BufferSpec {
    name: "rfb.name",
    aliases: &[],
    modifier: None,
    help: "the name of the desktop",
    places: &[place(Direction::ToClient, NAME)],
    check: None,
}];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "rfb.sectype",
        aliases: &[],
        help: "the kind of security that was chosen",
        places: &[place(Direction::ToServer, SECURITY_TYPE)],
        names: &[],
    },
    NumberSpec {
        name: "rfb.secresult",
        aliases: &[],
        help: "the result of authentication: ok, fail, toomany, unknown",
        places: &[place(Direction::ToClient, SECURITY_RESULT)],
        names: &[("ok", 0), ("fail", 1), ("toomany", 2), ("unknown", 3)],
    },
];
