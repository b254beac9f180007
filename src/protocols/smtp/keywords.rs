//! The rule keywords of SMTP and of the messages that it carries.

use super::slots::*;
use crate::app::{DONE, Slot};
use crate::detect::{BufferSpec, Kind, Place};
use crate::types::Direction;

const fn place(slot: Slot, progress: u8, kind: Kind) -> Place {
    Place { dir: Direction::ToServer, slot, progress, kind }
}

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer("smtp.helo", "the name the client gives itself", &[place(HELO, GREETED, Kind::Bytes)]),
    buffer("smtp.mail_from", "the sender in MAIL FROM", &[place(MAIL_FROM, SENDER, Kind::Bytes)]),
    buffer("smtp.rcpt_to", "each recipient in RCPT TO", &[place(RCPT_TO, RECIPIENTS, Kind::Multi)]),
    buffer("email.from", "the message's From", &[place(FROM, HEADERS, Kind::Bytes)]),
    buffer("email.to", "the message's To", &[place(TO, HEADERS, Kind::Bytes)]),
    buffer("email.cc", "the message's Cc", &[place(CC, HEADERS, Kind::Bytes)]),
    buffer("email.subject", "the message's Subject", &[place(SUBJECT, HEADERS, Kind::Bytes)]),
    buffer("email.date", "the message's Date", &[place(DATE, HEADERS, Kind::Bytes)]),
    buffer("email.message_id", "the message's Message-ID", &[place(MESSAGE_ID, HEADERS, Kind::Bytes)]),
    buffer("email.x_mailer", "the message's X-Mailer", &[place(X_MAILER, HEADERS, Kind::Bytes)]),
    buffer("email.received", "each of the message's Received", &[place(RECEIVED, HEADERS, Kind::Multi)]),
    buffer("email.url", "each URL in the message's text", &[place(URL, DONE, Kind::Multi)]),
    buffer("email.body_md5", "MD5 of the message's body, as text", &[place(BODY_MD5, DONE, Kind::Bytes)]),
    BufferSpec {
        name: "file.data",
        aliases: &["file_data"],
        modifier: None,
        help: "the bytes of each file, decompressed",
        places: &[place(FILE_DATA, BODY, Kind::Body)],
        check: None,
    },
    // names come one after the other while the message arrives; all of them are there at its end
    buffer("file.name", "the name of each file", &[place(FILE_NAME, DONE, Kind::Multi)]),
    buffer(
        "file.magic",
        "what each file is by its first bytes, in libmagic's words",
        &[place(FILE_MAGIC, DONE, Kind::Multi)],
    ),
];
