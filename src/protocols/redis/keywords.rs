//! The rule keywords of Redis, and its record.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{Field, Format, Shape, answered, answered_each, asked, asked_each, buffer};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer(
        "redis.command",
        "the command in capitals, with its subcommand where it has one (CONFIG SET)",
        &[asked(COMMAND)],
    ),
    buffer("redis.key", "each key that the command names", &[asked_each(KEY)]),
    buffer("redis.argument", "each argument of the command", &[asked_each(ARGUMENT)]),
    buffer("redis.error", "the text of an error that the server answers", &[answered(ERROR)]),
    buffer("redis.response", "each text of the server's answer", &[answered_each(RESPONSE)]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "redis",
    beside: &[],
    request: &[
        Field("command", COMMAND, Shape::Text),
        Field("keys", KEY, Shape::List),
        Field("arguments", SHOWN, Shape::List),
        Field("argument_count", COUNT, Shape::Number),
    ],
    response: &[
        Field("type", KIND, Shape::Text),
        Field("status", STATUS, Shape::Text),
        Field("error", ERROR, Shape::Text),
        Field("elements", ELEMENTS, Shape::Number),
    ],
};
