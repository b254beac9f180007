//! The rule keywords of DNS.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, NumberSpec, Place};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir, slot, progress, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &ROWS;

/// The same, for what carries DNS: places are its own then.
pub const ROWS: [BufferSpec; 6] = [
    BufferSpec {
        name: "dns.query",
        aliases: &["dns_query"],
        modifier: None,
        help: "each name that is asked for",
        places: &[place(S, QUERY, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "dns.queries.rrname",
        aliases: &["dns.query.name"],
        modifier: None,
        help: "each name in the question section, of requests and responses",
        places: &[place(S, QUERIES_RRNAME, DONE, Kind::Multi), place(C, QUERIES_RRNAME, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "dns.answers.rrname",
        aliases: &["dns.answer.name"],
        modifier: None,
        help: "each owner name in the answer section",
        places: &[place(C, ANSWERS_RRNAME, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "dns.authorities.rrname",
        aliases: &[],
        modifier: None,
        help: "each owner name in the authority section",
        places: &[place(C, AUTHORITIES_RRNAME, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "dns.additionals.rrname",
        aliases: &[],
        modifier: None,
        help: "each owner name in the additional section",
        places: &[place(C, ADDITIONALS_RRNAME, DONE, Kind::Multi)],
        check: None,
    },
    BufferSpec {
        name: "dns.response.rrname",
        aliases: &[],
        modifier: None,
        help: "every name of a response",
        places: &[place(C, RESPONSE_RRNAME, DONE, Kind::Multi)],
        check: None,
    },
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &NUMBER_ROWS;

/// The same, for what carries DNS.
pub const NUMBER_ROWS: [NumberSpec; 3] = [
    NumberSpec {
        name: "dns.opcode",
        aliases: &[],
        help: "operation code of the message",
        places: &[place(S, OPCODE, DONE, Kind::Bytes), place(C, OPCODE, DONE, Kind::Bytes)],
        names: &[],
    },
    NumberSpec {
        name: "dns.rcode",
        aliases: &[],
        help: "response code",
        places: &[place(C, RCODE, DONE, Kind::Bytes)],
        names: &[],
    },
    NumberSpec {
        name: "dns.rrtype",
        aliases: &[],
        help: "types of the questions and answers",
        places: &[place(S, RRTYPE, DONE, Kind::Multi), place(C, RRTYPE, DONE, Kind::Multi)],
        names: &[
            ("A", 1),
            ("NS", 2),
            ("CNAME", 5),
            ("SOA", 6),
            ("NULL", 10),
            ("PTR", 12),
            ("MX", 15),
            ("TXT", 16),
            ("AAAA", 28),
            ("SRV", 33),
            ("ANY", 255),
        ],
    },
];
