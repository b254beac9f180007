//! Messages (RFC 5322, MIME) within the protocols that carry them: SMTP, POP3, IMAP.
//!
//! A [`Message`] takes lines as they arrive: headers, parts, attachments (which are files), URLs. [`Mail`] is what a protocol of
//! questions and answers keeps beside an exchange: the messages that it carries. The module knows nothing of who sends them.
//!
//! Settings, in the section of the protocol: `mime.*`, `inspected-tracker.*`; and `eve.extended`, `eve.custom`, `eve.md5` as
//! under `outputs.eve-log.types.smtp`.
//!
//! Limits: a message has 2048 parts, 32 deep, 512 headers of 128 KiB together; 128 files and 512 URLs in all messages of an
//! exchange, of which [`mail::MESSAGES_MAX`] are taken apart.

mod config;
mod decoding;
mod events;
mod files;
mod header;
mod log;
pub(in crate::protocols) mod mail;
mod message;
mod url;

pub(in crate::protocols) use self::config::Config;
pub(in crate::protocols) use self::files::Files;
pub(in crate::protocols) use self::log::{array, email};
pub(in crate::protocols) use self::mail::Mail;
pub(in crate::protocols) use self::message::Message;
