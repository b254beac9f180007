//! The rule keywords of IMAP, and its record.

use super::slots::*;
use crate::detect::BufferSpec;
use crate::protocols::exchange::{Field, Format, Shape, answered_each, asked, buffer};
use crate::protocols::mime::mail;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("imap.command", "the command in capitals (LOGIN, UID FETCH)", &[asked(COMMAND)]),
    buffer("imap.arguments", "all that stands behind the command", &[asked(ARGUMENTS)]),
    buffer("imap.user", "who signs in (LOGIN, AUTHENTICATE PLAIN)", &[asked(USER)]),
    buffer("imap.mailbox", "the mailbox that the command is about", &[asked(MAILBOX)]),
    buffer("imap.response", "each line of the answer, with its literals", &[answered_each(RESPONSE)]),
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
    name: "imap",
    beside: &[],
    request: &[
        Field("tag", TAG, Shape::Text),
        Field("command", COMMAND, Shape::Text),
        Field("arguments", SHOWN, Shape::Text),
        Field("user", USER, Shape::Text),
        Field("mailbox", MAILBOX, Shape::Text),
    ],
    response: &[Field("status", STATUS, Shape::Text), Field("text", TEXT, Shape::Text)],
};
