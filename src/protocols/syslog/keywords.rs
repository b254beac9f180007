//! The rule keywords of syslog, and its record.

use super::slots::*;
use crate::detect::{BufferSpec, NumberSpec};
use crate::protocols::exchange::{Field, Format, Shape, asked, buffer, number};

/// RFC 5424 section 6.2.1.
const FACILITIES: &[(&str, u64)] = &[
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("ntp", 12),
    ("audit", 13),
    ("alert", 14),
    ("clock", 15),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The same section.
const SEVERITIES: &[(&str, u64)] = &[
    ("emerg", 0),
    ("alert", 1),
    ("crit", 2),
    ("err", 3),
    ("warning", 4),
    ("notice", 5),
    ("info", 6),
    ("debug", 7),
];

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] =
    &[buffer("syslog.message", "what stands behind the priority", &[asked(MESSAGE)])];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("syslog.facility", "where it came from, by number or name (auth)", &[asked(FACILITY)], FACILITIES),
    number(
        "syslog.severity",
        "how bad it is, by number or name (emerg is 0)",
        &[asked(SEVERITY)],
        SEVERITIES,
    ),
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "syslog",
    beside: &[
        Field("facility", FACILITY, Shape::Word(FACILITIES)),
        Field("severity", SEVERITY, Shape::Word(SEVERITIES)),
        Field("message", MESSAGE, Shape::Text),
    ],
    request: &[],
    response: &[],
};
