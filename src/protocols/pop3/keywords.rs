//! The rule keywords of POP3, and its record.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{Field, Format, Shape, answered, asked, asked_each, buffer};
use crate::protocols::mime::mail;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("pop3.command", "the command in capitals", &[asked(COMMAND)]),
    buffer("pop3.argument", "each argument of the command", &[asked_each(ARGUMENT)]),
    buffer("pop3.user", "the mailbox that is signed in to (USER, APOP)", &[asked(USER)]),
    buffer("pop3.response", "the first line of the answer", &[answered(RESPONSE)]),
    buffer("pop3.data", "the lines behind the first of the answer: a message, a list", &[answered(DATA)]),
    mail::FILE_DATA_ROW,
    mail::FILE_NAME_ROW,
    mail::FILE_MAGIC_ROW,
    mail::FROM_ROW,
    mail::TO_ROW,
    mail::CC_ROW,
    mail::SUBJECT_ROW,
    mail::DATE_ROW,
    mail::MESSAGE_ID_ROW,
    mail::X_MAILER_ROW,
    mail::RECEIVED_ROW,
    mail::URL_ROW,
];

/// The record.
pub(super) static FORMAT: Format = Format {
    name: "pop3",
    beside: &[],
    request: &[Field("command", VERB, Shape::Text), Field("args", SHOWN, Shape::List)],
    response: &[
        Field("success", SUCCESS, Shape::Flag),
        Field("status", STATUS, Shape::Text),
        Field("header", HEADER, Shape::Text),
        Field("lines", LINES, Shape::Number),
    ],
};
