//! The rule keywords of X11, and its record.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, buffer};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("x11.authorization", "the name of the authorisation, empty for none", &[asked(AUTHORIZATION)]),
    buffer("x11.response", "who made the server, or why it refuses", &[answered(RESPONSE)]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "x11",
    beside: &[],
    request: &[Field("version", VERSION, Shape::Text), Field("authorization", AUTHORIZATION, Shape::Text)],
    response: &[Field("status", STATUS, Shape::Text), Field("text", RESPONSE, Shape::Text)],
};
