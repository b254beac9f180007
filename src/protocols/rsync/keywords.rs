//! The rule keywords of rsync, and its record.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{Field, Format, Shape, answered_each, asked, buffer};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("rsync.module", "the module that is asked for", &[asked(MODULE)]),
    buffer("rsync.user", "who signs in", &[asked(USER)]),
    buffer("rsync.response", "each line that the server answers", &[answered_each(RESPONSE)]),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "rsync",
    beside: &[],
    request: &[
        Field("version", VERSION, Shape::Text),
        Field("module", MODULE, Shape::Text),
        Field("user", USER, Shape::Text),
    ],
    response: &[Field("version", SERVER_VERSION, Shape::Text), Field("status", STATUS, Shape::Text)],
};
