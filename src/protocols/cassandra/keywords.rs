//! The rule keywords of Cassandra, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, asked_each, buffer, number};

/// Kinds of messages.
pub(super) const OPCODES: &[(&str, u64)] = &[
    ("error", 0),
    ("startup", 1),
    ("ready", 2),
    ("authenticate", 3),
    ("options", 5),
    ("supported", 6),
    ("query", 7),
    ("result", 8),
    ("prepare", 9),
    ("execute", 10),
    ("register", 11),
    ("event", 12),
    ("batch", 13),
    ("auth_challenge", 14),
    ("auth_response", 15),
    ("auth_success", 16),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("cassandra.query", "each statement of a query, a preparation or a batch", &[asked_each(QUERY)]),
    buffer("cassandra.user", "the name that a client signs in with", &[asked(USER)]),
    buffer("cassandra.keyspace", "the keyspace that the server says is chosen", &[answered(KEYSPACE)]),
    buffer("cassandra.error", "the text of an error", &[answered(ERROR)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("cassandra.opcode", "what is asked, by number or name (query, batch)", &[asked(OPCODE)], OPCODES),
    number("cassandra.error_code", "the number of an error", &[answered(ERROR_CODE)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "cassandra",
    beside: &[],
    request: &[
        Field("version", VERSION, Shape::Number),
        Field("opcode", OPCODE, Shape::Word(OPCODES)),
        Field("queries", QUERY, Shape::List),
        Field("user", USER, Shape::Text),
        Field("driver", DRIVER, Shape::Text),
    ],
    response: &[
        Field("opcode", ANSWER, Shape::Word(OPCODES)),
        Field("keyspace", KEYSPACE, Shape::Text),
        Field("error_code", ERROR_CODE, Shape::Number),
        Field("error", ERROR, Shape::Text),
    ],
};
