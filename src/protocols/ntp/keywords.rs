//! The rule keywords of NTP.

use crate::app::Slot;
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::protocols::values::Values;
use crate::types::Direction;

const VERSION: Slot = Slot(0);
const MODE: Slot = Slot(1);
const STRATUM: Slot = Slot(2);
const REFERENCE_ID: Slot = Slot(3);

/// In messages of both ways.
const fn both(slot: Slot) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: 0, kind: Kind::Bytes },
        Place { dir: Direction::ToClient, slot, progress: 0, kind: Kind::Bytes },
    ]
}

/// Sticky buffers.
pub(super) static BUFFERS: &[BufferSpec] = &[BufferSpec {
    name: "ntp.reference_id",
    aliases: &[],
    modifier: None,
    help: "the four bytes that name the source of time, or a kiss code",
    places: &both(REFERENCE_ID),
    check: None,
}];

/// Numbers.
pub(super) static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "ntp.version",
        aliases: &[],
        help: "the version of a message",
        places: &both(VERSION),
        names: &[],
    },
    NumberSpec {
        name: "ntp.mode",
        aliases: &[],
        help: "the mode of a message, by number or name",
        places: &both(MODE),
        names: MODES,
    },
    NumberSpec {
        name: "ntp.stratum",
        aliases: &[],
        help: "how far the sender is from a clock",
        places: &both(STRATUM),
        names: &[],
    },
];

/// RFC 5905 section 7.3.
const MODES: &[(&str, u64)] = &[
    ("reserved", 0),
    ("symmetric_active", 1),
    ("symmetric_passive", 2),
    ("client", 3),
    ("server", 4),
    ("broadcast", 5),
    ("control", 6),
    ("private", 7),
];

/// What rules may ask of a message. Those of modes 6 and 7 have neither stratum nor reference.
pub(super) fn values(message: &[u8]) -> Values {
    let mut values = Values::default();
    let Some(first) = message.first().filter(|_| super::is_message(message)) else { return values };
    let mode = first & 7;
    values.push_number(VERSION, first >> 3 & 7);
    values.push_number(MODE, mode);
    if let (Some(stratum), Some(reference), 1..=5) = (message.get(1), message.get(12..16), mode) {
        values.push_number(STRATUM, *stratum);
        values.push(REFERENCE_ID, reference);
    }
    values
}
