//! The buffers of an SMTP transaction, and the steps of its client's side.
//!
//! Which keyword asks for which slot is in `keywords.rs`. All of them are made of what the client sends.

use crate::app::Slot;

/// The transaction has begun.
pub const BEGUN: u8 = 1;
/// The client has said its name.
pub const GREETED: u8 = 2;
/// The sender is known.
pub const SENDER: u8 = 3;
/// All recipients are known: the message begins.
pub const RECIPIENTS: u8 = 4;
/// The headers of the message were read.
pub const HEADERS: u8 = 5;
/// The body is arriving.
pub const BODY: u8 = 6;

/// The argument of HELO or EHLO.
pub const HELO: Slot = Slot(0);
/// The argument of MAIL FROM.
pub const MAIL_FROM: Slot = Slot(1);
/// The argument of each RCPT TO.
pub const RCPT_TO: Slot = Slot(2);
/// The value of `From`.
pub const FROM: Slot = Slot(3);
/// The value of `To`.
pub const TO: Slot = Slot(4);
/// The value of `Cc`.
pub const CC: Slot = Slot(5);
/// The value of `Subject`.
pub const SUBJECT: Slot = Slot(6);
/// The value of `Date`.
pub const DATE: Slot = Slot(7);
/// The value of `Message-ID`.
pub const MESSAGE_ID: Slot = Slot(8);
/// The value of `X-Mailer`.
pub const X_MAILER: Slot = Slot(9);
/// The value of each `Received`.
pub const RECEIVED: Slot = Slot(10);
/// Each URL found in the text of the message.
pub const URL: Slot = Slot(11);
/// MD5 of the message's body, hexadecimal.
pub const BODY_MD5: Slot = Slot(12);
/// The bytes of each attachment, decoded.
pub const FILE_DATA: Slot = Slot(13);
/// The name of each attachment.
pub const FILE_NAME: Slot = Slot(14);
/// What each file is by its first bytes.
pub const FILE_MAGIC: Slot = Slot(15);
