//! The rule keywords of SMB.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::protocols::dcerpc::keywords::STUB_DATA;
use crate::types::Direction;

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

const fn place(dir: Direction, slot: Slot, kind: Kind) -> Place {
    Place { dir, slot, progress: BEGUN, kind }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    BufferSpec {
        name: "smb.share",
        aliases: &["smb_share"],
        modifier: None,
        help: "the name of the share that a tree is connected to",
        places: &[place(S, SHARE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "smb.named_pipe",
        aliases: &["smb_named_pipe"],
        modifier: None,
        help: "the name of the share of pipes that a tree is connected to",
        places: &[place(S, NAMED_PIPE, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "smb.ntlmssp_user",
        aliases: &[],
        modifier: None,
        help: "the user who signs in by NTLM",
        places: &[place(S, USER, Kind::Bytes)],
        check: None,
    },
    BufferSpec {
        name: "smb.ntlmssp_domain",
        aliases: &[],
        modifier: None,
        help: "the domain of the user who signs in by NTLM",
        places: &[place(S, DOMAIN, Kind::Bytes)],
        check: None,
    },
    STUB_DATA,
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
        places: &[place(S, FILE_NAME_WRITTEN, Kind::Multi), place(C, FILE_NAME_READ, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "file.magic",
        aliases: &[],
        modifier: None,
        help: "what each file is by its first bytes, in libmagic's words",
        places: &[
            Place { dir: S, slot: FILE_MAGIC_WRITTEN, progress: DONE, kind: Kind::Multi },
            Place { dir: C, slot: FILE_MAGIC_READ, progress: DONE, kind: Kind::Multi },
        ],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[NumberSpec {
    name: "smb.version",
    aliases: &[],
    help: "version of the protocol: 1, or 2 for SMB2 and SMB3",
    places: &[place(S, VERSION, Kind::Bytes), place(C, VERSION, Kind::Bytes)],
    names: &[],
}];
