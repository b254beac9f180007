//! The rule keywords of MongoDB, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, asked_each, buffer, number};

/// Kinds of messages.
pub(super) const OPCODES: &[(&str, u64)] = &[
    ("reply", 1),
    ("update", 2001),
    ("insert", 2002),
    ("query", 2004),
    ("get_more", 2005),
    ("delete", 2006),
    ("kill_cursors", 2007),
    ("compressed", 2012),
    ("msg", 2013),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("mongodb.command", "the command (find, insert, dropDatabase)", &[asked(COMMAND)]),
    buffer("mongodb.collection", "the collection that the command is about", &[asked(COLLECTION)]),
    buffer("mongodb.database", "the database that the command is about", &[asked(DATABASE)]),
    buffer("mongodb.field", "the name of each field of the request, at any depth", &[asked_each(FIELD)]),
    buffer("mongodb.string", "each text in the request, at any depth", &[asked_each(STRING)]),
    buffer("mongodb.user", "the name that a client signs in with", &[asked(USER)]),
    buffer("mongodb.error", "the text of an error", &[answered(ERROR)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("mongodb.opcode", "the number or name of the message's kind", &[asked(OPCODE)], OPCODES),
    number("mongodb.error_code", "the number of an error", &[answered(ERROR_CODE)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "mongodb",
    beside: &[],
    request: &[
        Field("opcode", OPCODE, Shape::Word(OPCODES)),
        Field("compressor", COMPRESSOR, Shape::Word(&[("noop", 0), ("snappy", 1), ("zlib", 2), ("zstd", 3)])),
        Field("command", COMMAND, Shape::Text),
        Field("database", DATABASE, Shape::Text),
        Field("collection", COLLECTION, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("application", APPLICATION, Shape::Text),
    ],
    response: &[
        Field("ok", OK, Shape::Number),
        Field("error_code", ERROR_CODE, Shape::Number),
        Field("error", ERROR, Shape::Text),
    ],
};
