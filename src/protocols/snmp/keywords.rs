//! The rule keywords of SNMP.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "snmp.community",
        aliases: &[],
        modifier: None,
        help: "the community of versions 1 and 2",
        places: &[place(S, COMMUNITY), place(C, COMMUNITY)],
        check: None,
    },
    BufferSpec {
        name: "snmp.usm",
        aliases: &[],
        modifier: None,
        help: "the user name of version 3",
        places: &[place(S, USM), place(C, USM)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "snmp.version",
        aliases: &[],
        help: "the version of the protocol, 1 to 3",
        places: &[place(S, VERSION), place(C, VERSION)],
        names: &[],
    },
    NumberSpec {
        name: "snmp.pdu_type",
        aliases: &[],
        help: "the kind of message by number, 0 for get_request",
        places: &[place(S, PDU_TYPE), place(C, PDU_TYPE)],
        names: &[],
    },
];
