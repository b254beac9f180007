//! The rule keywords of stratum, and its record.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, buffer};
use crate::types::Direction;

const fn both(slot: Slot) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: DONE, kind: Kind::Bytes },
        Place { dir: Direction::ToClient, slot, progress: DONE, kind: Kind::Bytes },
    ]
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("stratum.method", "what is called, by either side (mining.subscribe, login)", &both(METHOD)),
    buffer("stratum.user", "who mines: a wallet, a worker", &[asked(USER)]),
    buffer("stratum.agent", "the miner's program", &[asked(AGENT)]),
    buffer("stratum.error", "an error that the pool answers", &[answered(ERROR)]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "stratum",
    beside: &[],
    request: &[
        Field("method", METHOD, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("agent", AGENT, Shape::Text),
    ],
    response: &[Field("error", ERROR, Shape::Text)],
};
