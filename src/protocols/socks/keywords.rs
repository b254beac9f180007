//! The rule keywords of SOCKS, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, buffer, number};

/// RFC 1928 section 4.
const COMMANDS: &[(&str, u64)] = &[("connect", 1), ("bind", 2), ("udp_associate", 3)];

/// RFC 1928 section 3.
const METHODS: &[(&str, u64)] =
    &[("none", 0), ("gssapi", 1), ("password", 2), ("no_acceptable_methods", 255)];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("socks.host", "the name or address that the proxy shall connect to", &[asked(HOST)]),
    buffer("socks.user", "who signs in", &[asked(USER)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("socks.command", "what is asked for: connect, bind, udp_associate", &[asked(COMMAND)], COMMANDS),
    number("socks.port", "the port that the proxy shall connect to", &[asked(PORT)], &[]),
    number(
        "socks.reply",
        "the answer to a request: 0 is success in version 5, 90 in 4",
        &[answered(REPLY)],
        &[],
    ),
    number("socks.version", "the version, 4 or 5", &[asked(VERSION)], &[]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "socks",
    beside: &[],
    request: &[
        Field("version", VERSION, Shape::Number),
        Field("methods", OFFERED, Shape::Words(METHODS)),
        Field("user", USER, Shape::Text),
        Field("command", COMMAND, Shape::Word(COMMANDS)),
        Field("host", HOST, Shape::Text),
        Field("port", PORT, Shape::Number),
    ],
    response: &[Field("method", METHOD, Shape::Word(METHODS)), Field("reply", REPLY, Shape::Number)],
};
