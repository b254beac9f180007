//! The rule keywords of memcached, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{
    Field, Format, Shape, answered, answered_each, asked, asked_each, buffer, number,
};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("memcached.command", "the command in small letters", &[asked(COMMAND)]),
    buffer("memcached.key", "each key that the command names", &[asked_each(KEY)]),
    buffer(
        "memcached.argument",
        "each word behind a command that is about the server",
        &[asked_each(ARGUMENT)],
    ),
    buffer(
        "memcached.value",
        "a value that is stored, each value that is answered",
        &[asked_each(STORED), answered_each(ANSWERED)],
    ),
    buffer("memcached.response", "the first line or the status of the answer", &[answered(RESPONSE)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] =
    &[number("memcached.size", "the length of the value that is stored, bytes", &[asked(SIZE)], &[])];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "memcached",
    beside: &[],
    request: &[
        Field("command", COMMAND, Shape::Text),
        Field("keys", KEY, Shape::List),
        Field("arguments", ARGUMENT, Shape::List),
        Field("size", SIZE, Shape::Number),
        Field("protocol", BINARY, Shape::Word(&[("binary", 1)])),
    ],
    response: &[Field("status", RESPONSE, Shape::Text), Field("values", HITS, Shape::Number)],
};
