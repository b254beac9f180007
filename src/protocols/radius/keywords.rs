//! The rule keywords of RADIUS, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, answered, answered_each, asked, buffer, number};

/// RFC 2865 section 3, RFC 5176 section 2.3.
pub(super) const CODES: &[(&str, u64)] = &[
    ("access_request", 1),
    ("access_accept", 2),
    ("access_reject", 3),
    ("accounting_request", 4),
    ("accounting_response", 5),
    ("access_challenge", 11),
    ("status_server", 12),
    ("disconnect_request", 40),
    ("disconnect_ack", 41),
    ("disconnect_nak", 42),
    ("coa_request", 43),
    ("coa_ack", 44),
    ("coa_nak", 45),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("radius.user", "the name that asks to be let in", &[asked(USER)]),
    buffer("radius.calling_station", "where the caller is", &[asked(CALLING_STATION)]),
    buffer("radius.nas_identifier", "the name of the access server", &[asked(NAS_IDENTIFIER)]),
    buffer("radius.reply_message", "each text for the user", &[answered_each(REPLY_MESSAGE)]),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("radius.code", "what is asked, by number or name", &[asked(CODE)], CODES),
    number("radius.response_code", "what is answered, by number or name", &[answered(RESPONSE_CODE)], CODES),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "radius",
    beside: &[],
    request: &[
        Field("code", CODE, Shape::Word(CODES)),
        Field("user", USER, Shape::Text),
        Field("calling_station", CALLING_STATION, Shape::Text),
        Field("nas_identifier", NAS_IDENTIFIER, Shape::Text),
    ],
    response: &[
        Field("code", RESPONSE_CODE, Shape::Word(CODES)),
        Field("messages", REPLY_MESSAGE, Shape::List),
    ],
};
