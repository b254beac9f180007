//! The rule keywords of DHCP.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{Kind, NumberSpec, Place};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "dhcp.leasetime",
        aliases: &[],
        help: "how long an address is lent, seconds",
        places: &[place(S, LEASE_TIME), place(C, LEASE_TIME)],
        names: &[],
    },
    NumberSpec {
        name: "dhcp.renewal_time",
        aliases: &[],
        help: "when the client asks its server again, seconds",
        places: &[place(S, RENEWAL_TIME), place(C, RENEWAL_TIME)],
        names: &[],
    },
    NumberSpec {
        name: "dhcp.rebinding_time",
        aliases: &[],
        help: "when the client asks any server, seconds",
        places: &[place(S, REBINDING_TIME), place(C, REBINDING_TIME)],
        names: &[],
    },
];
