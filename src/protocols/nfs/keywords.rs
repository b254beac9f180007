//! The rule keywords of NFS.

use super::slots::*;
use crate::app::Slot;
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::types::Direction;

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

const fn place(dir: Direction, slot: Slot, kind: Kind) -> Place {
    Place { dir, slot, progress: BEGUN, kind }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "file.data",
        aliases: &["file_data"],
        modifier: None,
        help: "the bytes of each file",
        places: &[place(S, FILE_WRITTEN, Kind::Body), place(C, FILE_READ, Kind::Body)],
        check: None,
    },
    BufferSpec {
        name: "file.name",
        aliases: &[],
        modifier: None,
        help: "the name of each file",
        places: &[place(S, NAME_WRITTEN, Kind::Multi), place(C, NAME_READ, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "file.magic",
        aliases: &[],
        modifier: None,
        help: "the type of each file by its first bytes",
        places: &[place(S, MAGIC_WRITTEN, Kind::Multi), place(C, MAGIC_READ, Kind::Multi)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    NumberSpec {
        name: "nfs_procedure",
        aliases: &[],
        help: "the procedure by number, of version 4 the operation",
        places: &[place(S, PROCEDURE, Kind::Bytes)],
        names: &[],
    },
    NumberSpec {
        name: "nfs.version",
        aliases: &["nfs_version"],
        help: "the version of NFS, 2 to 4",
        places: &[place(S, VERSION, Kind::Bytes)],
        names: &[],
    },
];
